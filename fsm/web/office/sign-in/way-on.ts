/** Where to go after signing in: the page that was wanted when it is one of ours, else the `first`. */
export function wayOn(wanted: string | null, first: string): string {
  if (!wanted) return first
  const address = new URL(wanted, location.origin)
  const isOurs = address.origin === location.origin && address.pathname.startsWith('/office/')
  return isOurs && address.pathname !== '/office/sign-in' ? address.pathname + address.search : first
}
