/**
 * What only this phone has, a second time: in the page's memory, and beside the database in the browser's other
 * store, which one that clears databases for room leaves alone. Bytes of photos are in neither.
 */
import { type Entry, type KeptPhoto, type Meta, type Row, type Store, quietly } from "./database.ts";

export interface Spare {
  meta: Partial<Meta>;
  chains: [string, string][];
  entries: Entry[];
  photos: KeptPhoto[];
  /** The feed; without it all is read anew. */
  rows?: Row[];
}

/** How far the feed was read. */
const PLACE: (keyof Meta)[] = ["since", "head", "synced_at", "empty_at", "must_reconcile"];

export async function readSpare(store: Store): Promise<Spare> {
  const reading = store.transaction(["meta", "chains", "outbox", "photos"]);
  const [names, values, visits, hashes, entries, photos] = await Promise.all([
    reading.objectStore("meta").getAllKeys(),
    reading.objectStore("meta").getAll(),
    reading.objectStore("chains").getAllKeys(),
    reading.objectStore("chains").getAll(),
    reading.objectStore("outbox").index("open").getAll(),
    reading.objectStore("photos").index("waiting").getAll(),
  ]);
  const meta = Object.fromEntries(names.map((name, at) => [name, values[at]])) as Partial<Meta>;
  return { meta, chains: visits.map((visit, at) => [visit, hashes[at]!]), entries, photos };
}

/** Fill an erased database with what is left; photos whose bytes are gone are marked, to be taken again. */
export async function putBack(store: Store, { meta, chains, entries, photos, rows }: Spare, now: number): Promise<void> {
  const lost = photos.filter((photo) => !photo.is_sent);
  const writing = store.transaction(["meta", "chains", "outbox", "photos", "rows"], "readwrite");
  const erased = { at: now, steps: entries.length, photos: lost.length };
  for (const [name, value] of Object.entries({ ...meta, erased }) as [keyof Meta, Meta[keyof Meta]][]) {
    if (rows || !PLACE.includes(name)) quietly(writing.objectStore("meta").put(value, name));
  }
  for (const [visit, hash] of chains) quietly(writing.objectStore("chains").put(hash, visit));
  for (const entry of entries) quietly(writing.objectStore("outbox").put(entry));
  for (const { waiting, ...photo } of photos) {
    const left = photo.is_sent ? { waiting } : { is_damaged: true }; // what is lost waits for nothing any more
    quietly(writing.objectStore("photos").put({ ...photo, ...left } as KeptPhoto));
  }
  for (const row of rows ?? []) quietly(writing.objectStore("rows").put(row));
  await writing.done;
}

const kept = (name: string) => `fsm.app.spare/${name}`;

/** Keep the second copy beside the database: of no use to anybody without signing in, as the token stays out of it. */
export function keepBeside(name: string, spare: Spare): void {
  const { registration: _, key: __, ...meta } = spare.meta;
  const photos = spare.photos.map((photo) => ({ ...photo, thumbnail: null }));
  const text = JSON.stringify({ ...spare, meta, photos });
  try {
    if (localStorage.getItem(kept(name)) !== text) localStorage.setItem(kept(name), text);
  } catch {
    localStorage.removeItem(kept(name)); // it has grown too large: an old one would bring back what was sent since
  }
}

export function readBeside(name: string): Spare | null {
  return JSON.parse(localStorage.getItem(kept(name)) ?? "null") as Spare | null;
}
