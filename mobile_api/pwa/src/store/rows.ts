/** The feed as the phone holds it: pages are applied in one transaction with the place they lead to. */
import { hex, sha256, utf8 } from "../sync/bytes.ts";
import type { Body, Change, Comparison, Digest, Page } from "../sync/wire.ts";
import { type Meta, type Moved, type Row, type Store, getMeta, quietly } from "./database.ts";

/** Apply a page of the pull. A row never goes back: an answer that overtook another changes nothing. */
export async function applyPage(store: Store, page: Page, isSynced: boolean): Promise<void> {
  const place: Partial<Meta> = {
    since: page.since,
    epoch: page.epoch,
    head: page.head,
    forget_upto: page.forget_upto,
    ...(isSynced ? { synced_at: Date.now() } : {}),
  };
  await apply(store, page.changes, page.scopes, page.dropped, {}, place);
}

/** Apply a page of a row-by-row comparison; only the last one says where to go on from. */
export async function applyComparison(store: Store, page: Comparison): Promise<void> {
  const place: Partial<Meta> = page.complete
    ? { since: page.since, epoch: page.epoch, head: page.head, forget_upto: page.forget_upto, must_reconcile: false }
    : {};
  await apply(store, page.put, page.scopes, [], page.gone, place);
}

async function apply(
  store: Store,
  changes: Change[],
  scopes: string[],
  dropped: string[],
  gone: Record<string, string[]>,
  place: Partial<Meta>,
): Promise<void> {
  const marks = await Promise.all(changes.map(({ id, rev }) => mark(id, rev)));
  const writing = store.transaction(["rows", "meta"], "readwrite");
  const rows = writing.objectStore("rows");
  for (const scope of dropped) {
    for (const key of await rows.index("scope").getAllKeys(scope)) quietly(rows.delete(key));
  }
  const moved = ((await writing.objectStore("meta").get("moved")) ?? {}) as Moved;
  for (const [at, { c, id, s, rev, op, d }] of changes.entries()) {
    if (c === "visits") noteMove(moved, (await rows.get([c, id]))?.d, d ?? null, id);
    if (op === "gone") quietly(rows.delete([c, id]));
    else quietly(rows.put({ c, id, rev, scope: scopes[s]!, mark: marks[at]!, d: d! }));
  }
  for (const [c, ids] of Object.entries(gone)) {
    for (const id of ids) quietly(rows.delete([c, id]));
  }
  for (const [name, value] of Object.entries({ ...place, moved })) quietly(writing.objectStore("meta").put(value, name as keyof Meta));
  await writing.done;
}

/** Keep what a moved visit's times were, until it is read of or moved back. */
function noteMove(moved: Moved, before: Body | undefined, after: Body | null, id: string): void {
  const was = moved[id] ?? (before && { starts_at: before.planned_starts_at, ends_at: before.planned_ends_at });
  delete moved[id];
  if (!was || !after || after.access === "revoked") return;
  if (was.starts_at !== after.planned_starts_at || was.ends_at !== after.planned_ends_at) moved[id] = was;
}

/** The technician has read that a visit was moved. */
export async function understand(store: Store, visit: string): Promise<void> {
  const writing = store.transaction("meta", "readwrite");
  const { [visit]: _, ...moved } = ((await writing.store.get("moved")) ?? {}) as Moved;
  quietly(writing.store.put(moved, "moved"));
  await writing.done;
}

async function mark(id: string, rev: number): Promise<string> {
  return hex((await sha256(utf8(`${id}:${rev}`))).subarray(0, 8));
}

/** Whether the phone holds exactly what the server says an up-to-date phone holds. */
export async function agrees(store: Store, digest: Digest): Promise<boolean> {
  const held = new Map<string, { n: number; sum: bigint }>();
  for (const { c, mark, d } of await store.getAll("rows")) {
    if (d.access === "revoked") continue;
    const { n, sum } = held.get(c) ?? { n: 0, sum: 0n };
    held.set(c, { n: n + 1, sum: BigInt.asUintN(64, sum + BigInt(`0x${mark}`)) });
  }
  const wanted = Object.entries(digest).filter(([, { n }]) => n > 0);
  return (
    wanted.length === held.size &&
    wanted.every(([c, { n, sum }]) => held.get(c)?.n === n && held.get(c)?.sum === BigInt(`0x${sum}`))
  );
}

/** Everything that the phone holds, for a comparison row by row. */
export async function have(store: Store): Promise<Record<string, [string, number][]>> {
  const held: Record<string, [string, number][]> = {};
  for (const { c, id, rev } of await store.getAll("rows")) (held[c] ??= []).push([id, rev]);
  return held;
}

export async function listRows(store: Store, collection: string): Promise<Body[]> {
  return (await store.getAllFromIndex("rows", "c", collection)).map((row: Row) => row.d);
}

/** Whether anything that the office took away waits for this phone to have nothing left to send. */
export async function hasRevoked(store: Store): Promise<boolean> {
  return (await store.getAll("rows")).some((row) => row.d.access === "revoked");
}

/** The head at which nothing was left to send, once there is something to say with it. */
export async function emptyAt(store: Store): Promise<number | null> {
  return (await hasRevoked(store)) ? ((await getMeta(store, "empty_at")) ?? null) : null;
}
