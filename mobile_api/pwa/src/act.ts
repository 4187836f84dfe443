/** What was done on a job, as the customer reads it before signing: from what this phone holds, without a line. */
import { type Item, written } from "$common/checklist.ts";
import { number, t } from "$common/messages.ts";
import { meterReading } from "../closing/answers.js";
import { type Judged, type Shot, shotsOf } from "./job.ts";
import type { Body } from "./sync/wire.ts";
import { standingTimes } from "./times.ts";
import { listWider, nameOf } from "./wider.ts";
import type { World } from "./world.ts";

export interface Act {
  /** Everybody's visits of the job that came to the site, in their order. */
  visits: { id: string; technician: string; arrived_at: string; finished_at: string | null; work_s: number; travel_s: number }[];
  notes: string[];
  parts: { name: string; number: string; quantity: string }[];
  answers: { label: string; said: string }[];
  photos: { label: string; shots: Shot[] }[];
  /** What was agreed on top, with its price. */
  extras: { id: string; said: string; price: string; name: string }[];
  signatures: Item[];
}

const PICTURES = new Set(["photo", "video"]);

export function actOf(world: World, visit: Body, order: Body, judged: Judged | null): Act {
  const visits = [...world.visits.values()]
    .filter((one) => one.work_order_id === order.id)
    .sort((a, b) => a.planned_starts_at.localeCompare(b.planned_starts_at));
  const items = judged?.items.filter(({ id }) => judged.demands[id]!.visible) ?? [];
  const answers = Object.assign({}, ...visits.map((one) => one.answers)) as Record<string, unknown>;
  return {
    visits: visits.filter((one) => one.arrived_at != null).map((one) => ({
      id: one.id,
      technician: one.technician_name,
      arrived_at: one.arrived_at,
      finished_at: one.finished_at,
      work_s: secondsOf(one, "work"),
      travel_s: secondsOf(one, "travel"),
    })),
    notes: visits.flatMap((one) => one.notes.map(({ text }: Body) => text as string)),
    parts: partsOf(world, visits),
    answers: items.flatMap((item) => {
      const said = saidOf(item, answers[item.id]);
      return said ? [{ label: written(item.label, item.id), said }] : [];
    }),
    photos: items
      .filter(({ kind }) => PICTURES.has(kind))
      .map((item) => ({ label: written(item.label, item.id), shots: shotsOf(world, visit, item.id) }))
      .filter(({ shots }) => shots.length),
    extras: listWider(world, visit, order)
      .filter(({ state }) => state === "confirmed")
      .map(({ id, lines, price, name }) => ({ id, said: lines.map((line) => nameOf(world, line)).join(", "), price, name })),
    signatures: items.filter(({ kind }) => kind === "signature"),
  };
}

function secondsOf(visit: Body, kind: string): number {
  return standingTimes(visit)
    .filter((entry) => entry.kind === kind)
    .reduce((sum, { from, to }) => sum + (Date.parse(to) - Date.parse(from)) / 1000, 0);
}

/** Each part once, however often it was taken; what was put back leaves nothing. */
function partsOf(world: World, visits: Body[]): Act["parts"] {
  const used = new Map<string, number>();
  for (const { part_id, qty } of visits.flatMap(({ parts }) => parts as Body[])) {
    used.set(part_id, (used.get(part_id) ?? 0) + Number(qty));
  }
  return [...used].filter(([, quantity]) => quantity).map(([id, quantity]) => {
    const part = world.parts.get(id);
    return {
      name: part?.name ?? t("app.part.unknown"),
      number: part?.number ?? "",
      quantity: `${number(quantity)} ${part?.unit ?? ""}`.trim(),
    };
  });
}

/** An answer in words; empty where there is none, or where it is a picture or a signature. */
function saidOf(item: Item, value: unknown): string {
  const name = (code: unknown) => written(item.choices?.find((one) => one.code === code)?.label, String(code));
  const plain = item.kind === "meter" ? meterReading(value) : value;
  if (plain === undefined || plain === null || plain === "") return "";
  if (typeof plain === "boolean") return t(plain ? "app.yes" : "app.no");
  if (typeof plain === "number") return `${number(plain, { maximumFractionDigits: 10 })} ${item.unit ?? ""}`.trim();
  return (Array.isArray(plain) ? plain : [plain]).map(name).join(", ");
}
