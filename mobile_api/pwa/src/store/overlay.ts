/**
 * A visit as the technician knows it: the server's row with everything laid over it that the server has not
 * told back yet. Pure; the rules are those of fsm/work_orders/field_work, of which the server has the last word.
 */
import type { Body } from "../sync/wire.ts";
import type { Entry } from "./database.ts";

type Apply = (visit: Body, entry: Entry) => Partial<Body>;

const STATUS: Record<string, { status: string; at?: string }> = {
  "visit.travel": { status: "travelling", at: "travel_started_at" },
  "visit.arrive": { status: "on_site", at: "arrived_at" },
  "visit.start": { status: "on_site", at: "work_started_at" },
  "visit.pause": { status: "paused" },
  "visit.resume": { status: "on_site" },
  "visit.finish": { status: "finished", at: "finished_at" },
  "visit.abort": { status: "aborted", at: "finished_at" },
  "visit.reject": { status: "rejected" },
};

const ADDS: Record<string, Apply> = {
  "answer.set": (visit, { data }) => ({ answers: { ...visit.answers, [data.item]: data.value } }),
  "note.add": (visit, { id, data, occurred_at }) => ({
    notes: [...visit.notes, { id, text: data.text, by: "", written_at: occurred_at }],
  }),
  "time.add": (visit, { id, data }) => ({
    times: [...visit.times, { id, kind: data.kind, from: data.from, to: data.to, of: null }],
  }),
  "time.correct": (visit, { id, data }) => ({
    times: [...visit.times, { id, kind: kindOf(visit, data.of), from: data.from, to: data.to, of: data.of }],
  }),
  "part.use": (visit, { id, data, occurred_at }) => ({
    parts: [...visit.parts, { id, part_id: data.part_id, qty: data.qty, used_at: occurred_at }],
  }),
  "signature.add": (visit, { id, data, occurred_at }) => ({
    signatures: [...visit.signatures, { id, item: data.item, photo_id: data.photo_id, name: data.name, signed_at: occurred_at }],
  }),
  "signature.decline": (visit, { id, data, occurred_at }) => ({
    signatures: [...visit.signatures, { id, item: data.item, declined_reason: data.reason, signed_at: occurred_at }],
  }),
};

/** Lay intents over a visit, in the order in which they were done; those of other visits are passed over. */
export function overlay(visit: Body, entries: Entry[]): Body {
  return entries
    .filter((entry) => entry.visit_id === visit.id && !isRefused(entry))
    .sort((a, b) => a.n! - b.n!)
    .reduce((shown, entry) => ({ ...shown, ...advance(shown, entry), ...ADDS[entry.type]?.(shown, entry) }), visit);
}

function advance(visit: Body, entry: Entry): Partial<Body> {
  const step = STATUS[entry.type];
  if (step === undefined) return {};
  const at = step.at && visit[step.at] == null ? { [step.at]: entry.occurred_at } : {};
  const isStart = entry.type === "visit.start" && visit.arrived_at == null;
  return { status: step.status, ...at, ...(isStart ? { arrived_at: entry.occurred_at } : {}) };
}

function isRefused({ outcome }: Entry): boolean {
  return outcome?.status === "rejected" || outcome?.status === "quarantined";
}

function kindOf(visit: Body, id: string): string {
  return visit.times.find((one: { id: string }) => one.id === id)?.kind ?? "work";
}
