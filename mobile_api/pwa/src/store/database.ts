/**
 * What the phone keeps, in IndexedDB. One database a login: signing out never mixes or loses anybody's work.
 *
 * `rows` is the feed as it came and is never written by hand; `outbox` is what the technician did, append
 * only. What a page shows is the one laid over the other (see overlay.ts).
 */
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { Body, Intent, IntentData, Outcome, Registration } from "../sync/wire.ts";
import type { DeviceKey } from "../sync/keys.ts";

export interface Row {
  c: string;
  id: string;
  rev: number;
  scope: string;
  /** The first 8 bytes of SHA-256(`id:rev`) in hex: what the digest sums up. */
  mark: string;
  d: Body;
}

/** An intent from the tap on until a verified backup of the server holds it. */
export interface Entry {
  /** The order in which things were done here; numbers of the protocol are given on release. */
  n?: number;
  id: string;
  type: string;
  visit_id: string | null;
  data: IntentData;
  after: string[];
  base_seq: number;
  occurred_at: string;
  mono_ms: number;
  boot: string;
  /** Milliseconds of the phone's clock until which it may be undone. */
  held_until: number | null;
  /** Given on release, together with its place in the visit's chain. */
  seq?: number;
  sent?: Intent;
  outcome?: Omit<Outcome, "id">;
  /** The technician has read what became of it. */
  seen?: 1;
  /** Present until the server has answered. */
  open?: 1;
  /** Present until a pull that began after the answer has brought what it did. */
  fresh?: 1;
}

export interface KeptPhoto {
  photo_id: string;
  visit_id: string;
  item: string;
  slot: number;
  sha256: string;
  size: number;
  mime: string;
  captured_at: string;
  /** A small JPEG to look at, which stays when the bytes are gone. */
  thumbnail: ArrayBuffer | null;
  upload_url?: string;
  offset: number;
  /** Every byte has been taken; the receipt is still on its way. */
  is_sent?: boolean;
  /** The bytes here no longer hash to what they did when the photo was taken. */
  is_damaged?: boolean;
  /** Present while the server's receipt is missing, and so as long as the bytes are here. */
  waiting?: 1;
  /** Taken again or thrown away: it is neither shown nor counted, but its bytes still go if declared. */
  is_retracted?: boolean;
}

/** What a phone knows of itself and of how far it has read. */
export interface Meta {
  install_id: string;
  person: { login: string; name: string };
  registration: Registration | null;
  key: DeviceKey | null;
  since: string | null;
  epoch: string | null;
  head: number;
  forget_upto: number;
  next_seq: number;
  /** The head that was known when nothing was left to send. */
  empty_at: number | null;
  synced_at: number | null;
  /** There since this installation was registered: without it, the browser has erased what was here. */
  sentinel: string;
  /** What the browser erased, until the technician has read of it. */
  erased: Erased | null;
  /** Visits that the office moved, with the times that the technician had read of them. */
  moved: Moved;
  /** Why to compare row by row before pulling: the digest differed, or the feed began anew. */
  must_reconcile: Doubt | boolean;
}

/** visit → its planned times of before */
export type Moved = Record<string, { starts_at: string; ends_at: string }>;

/** Data that the browser erased: which unsent steps are back from elsewhere, and how many photos are lost. */
export interface Erased {
  at: number;
  steps: number;
  photos: number;
}

/** What the server is told of a comparison's cause. */
export type Doubt = "digest" | "restored" | "expired";

export interface Schema extends DBSchema {
  meta: { key: keyof Meta; value: Meta[keyof Meta] };
  /** visit → the hash of its last link */
  chains: { key: string; value: string };
  rows: { key: [string, string]; value: Row; indexes: { c: string; scope: string } };
  outbox: {
    key: number;
    value: Entry;
    indexes: { id: string; seq: number; visit_id: string; open: number; fresh: number };
  };
  photos: { key: string; value: KeptPhoto; indexes: { visit_id: string; waiting: number } };
  bytes: { key: string; value: ArrayBuffer };
  /** What is being typed, by `visit/field`, until it is an intent. */
  drafts: { key: string; value: unknown };
  /** Documents by SHA-256. */
  files: { key: string; value: { bytes: ArrayBuffer; mime: string } };
}

export type Store = IDBPDatabase<Schema>;
export type StoreName = "meta" | "chains" | "rows" | "outbox" | "photos" | "bytes" | "drafts" | "files";

/** Open a login's database; `closed` is called when the browser takes it away while it is open. */
export function openStore(name: string, closed?: () => void): Promise<Store> {
  return openDB<Schema>(name, 1, {
    upgrade(store) {
      store.createObjectStore("meta");
      store.createObjectStore("chains");
      const rows = store.createObjectStore("rows", { keyPath: ["c", "id"] });
      rows.createIndex("c", "c");
      rows.createIndex("scope", "scope");
      const outbox = store.createObjectStore("outbox", { keyPath: "n", autoIncrement: true });
      outbox.createIndex("id", "id", { unique: true });
      outbox.createIndex("seq", "seq");
      outbox.createIndex("visit_id", "visit_id");
      outbox.createIndex("open", "open");
      outbox.createIndex("fresh", "fresh");
      const photos = store.createObjectStore("photos", { keyPath: "photo_id" });
      photos.createIndex("visit_id", "visit_id");
      photos.createIndex("waiting", "waiting");
      for (const plain of ["bytes", "drafts", "files"] as const) store.createObjectStore(plain);
    },
    // Another tab runs a newer app: let it change the shape of things; this one reloads when it is next used.
    blocking: (_, __, event) => (event.target as IDBDatabase).close(),
    terminated: () => closed?.(),
  });
}

/** A request whose failure is told by its transaction, to whoever waits for that. */
export function quietly(request: Promise<unknown>): void {
  request.catch(() => {});
}

export async function getMeta<Name extends keyof Meta>(store: Store, name: Name): Promise<Meta[Name] | undefined> {
  return (await store.get("meta", name)) as Meta[Name] | undefined;
}

export async function setMeta(store: Store, values: Partial<Meta>): Promise<void> {
  const writing = store.transaction("meta", "readwrite");
  for (const [name, value] of Object.entries(values)) quietly(writing.store.put(value, name as keyof Meta));
  await writing.done;
}
