// The pages of the office in the order of the menu, each with the permissions of which one opens it; and the
// customers' own, which opens to nobody else.
export const pages = ['board', 'desk', 'roster', 'figures', 'settings', 'portal'] as const
export type Page = (typeof pages)[number]

const opening: Record<Exclude<Page, 'portal'>, string[]> = {
  board: ['plan'],
  desk: ['edit_requests', 'edit_work_orders'],
  roster: ['plan'],
  figures: ['read_kpis'],
  settings: ['manage_catalogue', 'manage_users', 'edit_assets', 'import_data'],
}

/** Whether a page opens to whoever is signed in. */
export function opens(page: Page, who: { isCustomer: boolean; may(permission: string): boolean }): boolean {
  if (page === 'portal') return who.isCustomer
  // Customers may edit requests, too: their own.
  if (page === 'desk' && who.isCustomer) return false
  return opening[page].some((permission) => who.may(permission))
}
