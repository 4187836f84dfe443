/** Everything that pages show, read in one go: the feed with the technician's own work laid over it. */
import type { Entry, Erased, KeptPhoto, Moved, Row, Store } from "./store/database.ts";
import { overlay } from "./store/overlay.ts";
import type { Body } from "./sync/wire.ts";

const COLLECTIONS = [
  "work_orders",
  "visits",
  "customers",
  "sites",
  "contacts",
  "assets",
  "models",
  "documents",
  "history",
  "checklists",
  "photos",
  "reasons",
  "stock",
  "parts",
] as const;

type Collection = (typeof COLLECTIONS)[number];
type Table = Map<string, Body>;

export interface World extends Record<Collection, Table> {
  /** The feed as it came. */
  rows: Row[];
  /** Taps of this phone, oldest first, as far as they are kept. */
  outbox: Entry[];
  kept: Map<string, KeptPhoto>;
  technician_id: string | null;
  synced_at: number | null;
  erased: Erased | null;
  moved: Moved;
}

export async function readWorld(store: Store): Promise<World> {
  const reading = store.transaction(["rows", "outbox", "photos", "meta"]);
  const [rows, outbox, photos, synced_at, erased, moved] = await Promise.all([
    reading.objectStore("rows").getAll(),
    reading.objectStore("outbox").getAll(),
    reading.objectStore("photos").getAll(),
    reading.objectStore("meta").get("synced_at") as Promise<number | null | undefined>,
    reading.objectStore("meta").get("erased") as Promise<Erased | null | undefined>,
    reading.objectStore("meta").get("moved") as Promise<Moved | undefined>,
  ]);
  const world = {} as World;
  for (const name of COLLECTIONS) world[name] = new Map();
  for (const { c, id, d } of rows) world[c as Collection]?.set(id, d);
  const fresh = outbox.filter((entry) => entry.fresh);
  for (const [id, visit] of world.visits) world.visits.set(id, overlay(visit, fresh));
  const mine = rows.find(({ scope }) => scope.startsWith("tech:"));
  return {
    ...world,
    rows,
    outbox,
    kept: new Map(photos.map((photo) => [photo.photo_id, photo])),
    technician_id: mine?.scope.slice("tech:".length) ?? null,
    synced_at: synced_at ?? null,
    erased: erased ?? null,
    moved: moved ?? {},
  };
}

const OVER = new Set(["finished", "aborted", "rejected", "withdrawn"]);
const BEGUN = new Set(["travelling", "on_site", "paused"]);

export interface Day {
  next: Body | null;
  today: Body[];
  later: Body[];
  done: Body[];
  /** Taken away by the office, and still here until this phone has nothing left to send. */
  gone: Body[];
}

/** The technician's own visits as a day: what is going on first, then by the clock. */
export function dayOf(world: World, dayName: (at: string) => string, today: string): Day {
  const mine = [...world.visits.values()].filter(({ technician_id }) => technician_id === world.technician_id);
  const sorted = mine.sort(
    (a, b) =>
      Number(BEGUN.has(b.status)) - Number(BEGUN.has(a.status)) ||
      a.planned_starts_at.localeCompare(b.planned_starts_at) ||
      a.id.localeCompare(b.id),
  );
  const here = sorted.filter((visit) => !isTaken(world, visit));
  const open = here.filter((visit) => !OVER.has(visit.status));
  const isToday = (visit: Body) => dayName(visit.planned_starts_at) <= today || BEGUN.has(visit.status);
  const [next = null, ...rest] = open;
  return {
    next,
    today: rest.filter(isToday),
    later: rest.filter((visit) => !isToday(visit)),
    done: here.filter((visit) => OVER.has(visit.status) && dayName(visit.finished_at ?? visit.planned_starts_at) === today),
    gone: sorted.filter((visit) => isTaken(world, visit)),
  };
}

export function isTaken(world: World, visit: Body): boolean {
  return visit.access === "revoked" || world.work_orders.get(visit.work_order_id)?.access === "revoked";
}

export function isOver(visit: Body): boolean {
  return OVER.has(visit.status);
}

/** Intents that a person has to look at: refused, or put aside. */
export function unread(world: World): Entry[] {
  return world.outbox.filter(
    ({ outcome, seen }) => !seen && (outcome?.status === "rejected" || outcome?.status === "quarantined"),
  );
}

/** What waits on this phone. */
export function waiting(world: World): { intents: number; photos: number } {
  return {
    intents: world.outbox.filter((entry) => entry.open).length,
    photos: [...world.kept.values()].filter((photo) => photo.waiting).length,
  };
}
