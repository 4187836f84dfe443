/** Where the app stands, in the address, so that back and reload do what people expect. */
const read = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);

let parts = $state.raw(read());

addEventListener("hashchange", () => {
  parts = read();
  scrollTo(0, 0);
});

export function route(): { page: string; id: string; part: string } {
  const [page = "", id = "", part = ""] = parts;
  return { page, id, part };
}

export function go(...to: string[]): void {
  location.hash = `#/${to.map(encodeURIComponent).join("/")}`;
}
