/**
 * The outbox: every tap is written once, in one transaction with the photo or draft it belongs to.
 *
 * A tap that may be undone is stored at once and held back for a while; numbers and the place in the chain
 * are given when it is released, so that what was undone leaves no gap.
 */
import { type Bytes, decoded, uuidv7 } from "../sync/bytes.ts";
import type { IDBPTransaction } from "idb";
import { type DeviceKey, link } from "../sync/keys.ts";
import type { Intent, IntentData, Outcome } from "../sync/wire.ts";
import { type Entry, type KeptPhoto, type Schema, type Store, getMeta, quietly } from "./database.ts";

export const HELD_MS = 10_000;

/** One start of the app: uptime is only comparable within it. */
const BOOT = uuidv7().slice(-12);

export interface Tap {
  /** Given where a tap may be tried twice: kept once all the same. */
  id?: string;
  type: string;
  data: IntentData;
  after?: string[];
  /** Whether it can be undone for a while. */
  isHeld?: boolean;
  photo?: { kept: KeptPhoto; bytes: ArrayBuffer };
  /** The photo that this intent takes back. */
  retracts?: string;
  /** The draft that has become this intent. */
  draft?: string;
}

type Writing = IDBPTransaction<Schema, ("outbox" | "photos" | "bytes" | "drafts" | "meta")[], "readwrite">;

/** When a tap was made: by the phone's clock, by uptime, and after reading the feed up to where. */
export interface Moment {
  now: number;
  boot: string;
  mono_ms: number;
  /** Unknown where nothing had been read from the database yet: it is what the database says, then. */
  head?: number | undefined;
}

export function momentNow(head?: number, now = Date.now()): Moment {
  return { now, ...uptime(), head };
}

export function uptime(): { boot: string; mono_ms: number } {
  return { boot: BOOT, mono_ms: Math.floor(performance.now()) };
}

/**
 * Keep what was done, or throw why nothing of it could be kept. Whatever was held before can no longer be undone:
 * something followed it. Once this returns it is on the disk, whatever becomes of page, browser and battery. What
 * had to wait for room, or for the page to be opened again, is kept as of the moment of its tap.
 */
export async function record(store: Store, taps: Tap[], tapped = momentNow()): Promise<Entry[]> {
  const stores = ["outbox", "photos", "bytes", "drafts", "meta"] as const;
  const writing = store.transaction(stores, "readwrite", { durability: "strict" });
  quietly(writing.done);
  try {
    return await write(writing, taps, tapped);
  } catch (error) {
    throw writing.error ?? error; // a request says that all was given up, its transaction says why
  }
}

async function write(writing: Writing, taps: Tap[], { now, boot, mono_ms, head }: Moment): Promise<Entry[]> {
  const outbox = writing.objectStore("outbox");
  const base_seq = head ?? ((await writing.objectStore("meta").get("head")) as number | undefined) ?? 0;
  for (const entry of await outbox.index("open").getAll()) {
    if (entry.held_until !== null && entry.seq === undefined) quietly(outbox.put({ ...entry, held_until: null }));
  }
  const entries: Entry[] = [];
  for (const tap of taps) {
    const data = sendable(tap.data);
    const kept = tap.id && (await outbox.index("id").get(tap.id));
    if (kept) {
      entries.push(kept);
      continue;
    }
    const entry: Entry = {
      id: tap.id ?? uuidv7(now),
      type: tap.type,
      visit_id: data.visit_id ?? null,
      data,
      after: tap.after ?? [],
      base_seq,
      occurred_at: new Date(now).toISOString(),
      boot,
      mono_ms,
      held_until: tap.isHeld ? now + HELD_MS : null,
      open: 1,
      fresh: 1,
    };
    entry.n = await outbox.add(entry);
    entries.push(entry);
    if (tap.photo) {
      quietly(writing.objectStore("photos").put(tap.photo.kept));
      quietly(writing.objectStore("bytes").put(tap.photo.bytes, tap.photo.kept.photo_id));
    }
    if (tap.retracts) {
      const photo = await writing.objectStore("photos").get(tap.retracts);
      if (photo) quietly(writing.objectStore("photos").put({ ...photo, is_retracted: true }));
    }
    if (tap.draft) quietly(writing.objectStore("drafts").delete(tap.draft));
  }
  await writing.done;
  return entries;
}

/** The data as JSON holds it: without absent members, and with no text that UTF-8 cannot hold. */
function sendable(data: IntentData): IntentData {
  return JSON.parse(JSON.stringify(data, (_, value) => (typeof value === "string" ? value.toWellFormed() : value)));
}

/** Take back what was done a moment ago; false when it has been released meanwhile. */
export async function undo(store: Store, id: string): Promise<boolean> {
  const writing = store.transaction("outbox", "readwrite");
  const entry = await writing.store.index("id").get(id);
  const isHeld = entry !== undefined && entry.seq === undefined && entry.held_until !== null;
  if (isHeld) quietly(writing.store.delete(entry.n!));
  await writing.done;
  return isHeld;
}

/** The tap that can still be undone, if any. */
export async function findHeld(store: Store, now = Date.now()): Promise<Entry | null> {
  const open = await store.getAllFromIndex("outbox", "open");
  const last = open.findLast((entry) => entry.held_until !== null && entry.seq === undefined);
  return last && last.held_until! > now ? last : null;
}

/**
 * Number and chain what may go. Signing cannot wait inside a transaction, so it is prepared outside and only
 * kept if nobody else has numbered anything meanwhile.
 */
export async function release(store: Store, now = Date.now()): Promise<void> {
  for (let isKept = false; !isKept; ) {
    const waiting = (await store.getAllFromIndex("outbox", "open")).filter((entry) => entry.seq === undefined);
    const until = waiting.findIndex((entry) => entry.held_until !== null && entry.held_until > now);
    const ready = until < 0 ? waiting : waiting.slice(0, until);
    if (ready.length === 0) return;
    const key = (await getMeta(store, "key")) ?? null;
    const first = (await getMeta(store, "next_seq")) ?? 1;
    const { numbered, heads } = await chain(store, key, first, ready);
    const writing = store.transaction(["outbox", "chains", "meta"], "readwrite");
    const current = ((await writing.objectStore("meta").get("next_seq")) as number | undefined) ?? 1;
    const present = await Promise.all(ready.map((entry) => writing.objectStore("outbox").get(entry.n!)));
    isKept = current === first && present.every((entry) => entry !== undefined && entry.seq === undefined);
    if (isKept) {
      for (const entry of numbered) quietly(writing.objectStore("outbox").put(entry));
      for (const [visit, hash] of heads) quietly(writing.objectStore("chains").put(hash, visit));
      quietly(writing.objectStore("meta").put(first + numbered.length, "next_seq"));
    }
    await writing.done;
  }
}

async function chain(
  store: Store,
  key: DeviceKey | null,
  first: number,
  ready: Entry[],
): Promise<{ numbered: Entry[]; heads: Map<string, string> }> {
  const heads = new Map<string, string>();
  const numbered: Entry[] = [];
  for (const [at, entry] of ready.entries()) {
    const { id, type, data, after, base_seq, occurred_at, mono_ms, boot } = entry;
    const intent: Intent = { id, seq: first + at, type, base_seq, occurred_at, mono_ms, boot, after, data };
    const previous = key && entry.visit_id ? await lastLink(store, heads, entry.visit_id) : null;
    if (key && previous) {
      intent.chain = await link(key, previous, intent);
      heads.set(entry.visit_id!, intent.chain.h);
    }
    numbered.push({ ...entry, seq: intent.seq, sent: intent, held_until: null });
  }
  return { numbered, heads };
}

/** The hash that a visit's next link follows: its last one here, or the nonce that came with the dispatch. */
async function lastLink(store: Store, heads: Map<string, string>, visit: string): Promise<Bytes | null> {
  const last = heads.get(visit) ?? (await store.get("chains", visit));
  const nonce = last ?? (await store.get("rows", ["visits", visit]))?.d.nonce;
  return nonce ? decoded(nonce) : null;
}

/** What is numbered and not answered yet, in the device's order, with what the server asked for again. */
export async function listUnsent(store: Store, most: number): Promise<Entry[]> {
  const open = await store.getAllFromIndex("outbox", "open");
  return open
    .filter((entry) => entry.seq !== undefined)
    .sort((a, b) => a.seq! - b.seq!)
    .slice(0, most);
}

/** Write down what became of intents; their effects are still to come with the next pull. */
export async function settle(store: Store, outcomes: Outcome[]): Promise<void> {
  const writing = store.transaction("outbox", "readwrite");
  for (const { id, ...told } of outcomes) {
    const entry = await writing.store.index("id").get(id);
    if (entry === undefined) continue;
    const outcome = told.status === "duplicate" && told.first ? told.first : told;
    const { open: _, ...answered } = entry;
    quietly(writing.store.put({ ...answered, outcome }));
  }
  await writing.done;
}

/** Open again what the server says it lacks; what we no longer have it is told by `from_seq`. */
export async function reopen(store: Store, seqs: number[]): Promise<void> {
  const writing = store.transaction("outbox", "readwrite");
  for (const seq of seqs) {
    const entry = await writing.store.index("seq").get(seq);
    if (entry) quietly(writing.store.put({ ...entry, open: 1, fresh: 1 }));
  }
  await writing.done;
}

/** The server was set back to a backup: everything that this backup may lack goes again. */
export async function reopenAbove(store: Store, seq: number): Promise<void> {
  const writing = store.transaction("outbox", "readwrite");
  for (const entry of await writing.store.index("seq").getAll(IDBKeyRange.lowerBound(seq, true))) {
    quietly(writing.store.put({ ...entry, open: 1, fresh: 1 }));
  }
  await writing.done;
}

/** Let go of effects that a complete pull has brought, and of what a backup holds. */
export async function tidy(store: Store, answeredBefore: Set<number>, forgetUpto: number): Promise<void> {
  const writing = store.transaction("outbox", "readwrite");
  for (const entry of await writing.store.index("fresh").getAll()) {
    if (entry.open || !answeredBefore.has(entry.n!) || entry.outcome?.status === "waiting") continue;
    const { fresh: _, ...brought } = entry;
    quietly(writing.store.put(brought));
  }
  const kept = IDBKeyRange.upperBound(forgetUpto);
  for (const entry of forgetUpto ? await writing.store.index("seq").getAll(kept) : []) {
    if (!entry.open && !entry.fresh && isGood(entry)) quietly(writing.store.delete(entry.n!));
  }
  await writing.done;
}

/** Which effects a pull that begins now will bring: those of everything that is answered already. */
export async function listAnswered(store: Store): Promise<Set<number>> {
  const fresh = await store.getAllFromIndex("outbox", "fresh");
  return new Set(fresh.filter((entry) => !entry.open).map((entry) => entry.n!));
}

/** What became of intents later, as the feed tells it: one that waited, or that the office decided on. */
export async function takeOutcomes(store: Store): Promise<void> {
  const told = await store.getAllFromIndex("rows", "c", "outcomes");
  const writing = store.transaction("outbox", "readwrite");
  for (const { id, d } of told) {
    const entry = await writing.store.index("id").get(id);
    if (entry === undefined || entry.open || entry.outcome?.status === d.status) continue;
    const { seen: _, ...changed } = entry;
    quietly(writing.store.put({ ...changed, outcome: { status: d.status, notes: d.notes, problem: d.problem } }));
  }
  await writing.done;
}

/** Whether nobody needs to look at what became of it. */
export function isGood(entry: Entry): boolean {
  return entry.outcome === undefined || entry.outcome.status === "applied" || entry.seen === 1;
}

export async function lowestSeq(store: Store): Promise<number> {
  const cursor = await store.transaction("outbox").store.index("seq").openCursor();
  return cursor?.value.seq ?? (await getMeta(store, "next_seq")) ?? 1;
}
