/** A job as its closing rules see it, from what the phone holds. The server's twin is fsm/work_orders/facts.py. */
import { type Item, itemOf } from "$common/checklist.ts";
import { type Facts, type Template, demands, verdict } from "../closing/verdict.js";
import { codesOf } from "./codes.ts";
import type { Body, Unmet } from "./sync/wire.ts";
import type { World } from "./world.ts";

export type { Item };

export interface Demand {
  visible: boolean;
  required: string | null;
  photos: number;
}

export interface Judged {
  items: Item[];
  demands: Record<string, Demand>;
  unmet: Unmet[];
  /** What keeps the technician from finishing: everything but bytes that this phone holds. */
  missing: Unmet[];
}

export interface Shot {
  photo_id: string;
  slot: number;
  state: string;
  item: string;
}

const FINISHABLE = new Set(["photo_pending", "photo_corrupt"]);

/** Judge a visit's job as if it were finished now, null before a checklist has come. */
export function judge(world: World, visit: Body): Judged | null {
  const order = world.work_orders.get(visit.work_order_id);
  const template = world.checklists.get(order?.checklist_id)?.body as Template | undefined;
  if (!order || !template) return null;
  const facts = factsOf(world, order, visit);
  const { unmet } = verdict(template, facts) as { unmet: Unmet[] };
  return {
    items: template.items as Item[],
    demands: demands(template, facts),
    unmet,
    missing: unmet.filter(({ code }) => !FINISHABLE.has(code)),
  };
}

function factsOf(world: World, order: Body, visit: Body): Facts {
  const visits = [...world.visits.values()]
    .filter(({ work_order_id }) => work_order_id === order.id)
    .sort((a, b) => a.planned_starts_at.localeCompare(b.planned_starts_at));
  const signatures = visits.flatMap((one) => one.signatures.map((signed: Body) => ({ ...signed, visit: one.id })));
  const asset = world.assets.get(order.asset_id);
  return {
    facts_rev: 0,
    finishing_visit: visit.id,
    answers: visits.flatMap((one, at) =>
      Object.entries(one.answers).map(([item, value]) => ({ item, value, visit: one.id, order: at })),
    ),
    photos: photosOf(world, order, visits),
    signatures: signatures
      .filter(({ photo_id }) => photo_id)
      .map(({ item, visit, photo_id, name }, at) => ({ item, visit, photo_id, name, order: at })),
    declines: signatures
      .filter(({ declined_reason }) => declined_reason)
      .map(({ item, visit, declined_reason }, at) => ({ item, visit, reason: declined_reason, order: at })),
    waivers: [],
    last_readings: Object.fromEntries(
      (asset?.meters ?? [])
        .filter(({ value }: Body) => value !== null)
        .map(({ code, value }: Body) => [code, Number(value)]),
    ),
    asset_codes: asset ? codesOf(asset) : [],
    part_codes: visits.flatMap((one) => one.parts.map(({ part_id }: Body) => world.parts.get(part_id)?.number ?? "")),
    job: {
      priority: order.priority,
      request_class: order.request_class,
      maintenance: order.maintenance,
      work_type: order.work_type.code,
      is_rework: order.is_rework,
    },
    asset: asset ? attributesOf(world, asset) : {},
  };
}

function photosOf(world: World, order: Body, visits: Body[]): Facts["photos"] {
  const known = [...world.photos.values()].filter((row) => row.work_order_id === order.id);
  const there = new Set(known.map(({ id }) => id));
  const of = new Set(visits.map(({ id }) => id));
  const here = [...world.kept.values()].filter((photo) => of.has(photo.visit_id) && !there.has(photo.photo_id));
  return [
    ...known
      .filter(({ id, retracted_at }) => !retracted_at && !world.kept.get(id)?.is_retracted)
      .map(({ id, visit_id, item, slot, state, mime, size }) => ({ photo_id: id, visit: visit_id, item, slot, state, mime, size })),
    ...here
      .filter(({ is_retracted }) => !is_retracted)
      .map(({ photo_id, visit_id, item, slot, mime, size }) => ({
        photo_id,
        visit: visit_id,
        item,
        slot,
        state: "declared",
        mime,
        size,
      })),
  ];
}

/** The photos of one step of a visit's job, by slot. */
export function shotsOf(world: World, visit: Body, item: string): Shot[] {
  const order = world.work_orders.get(visit.work_order_id);
  if (!order) return [];
  const visits = [...world.visits.values()].filter(({ work_order_id }) => work_order_id === order.id);
  return photosOf(world, order, visits)
    .filter((photo) => photo.item === item)
    .map(({ photo_id, slot, state }) => ({ photo_id, slot, state, item }))
    .sort((a, b) => a.slot - b.slot);
}

function attributesOf(world: World, asset: Body): Record<string, unknown> {
  const model = world.models.get(asset.model_id);
  return {
    number: asset.number,
    serial: asset.serial ?? "",
    criticality: asset.criticality,
    model: model?.code ?? "",
    manufacturer: model?.manufacturer ?? "",
    equipment: model?.equipment ?? "",
  };
}

/** Whether this visit may end with things missing: another one is wanted, or colleagues are still at it. */
export function isHeldToChecklist(world: World, visit: Body): boolean {
  const order = world.work_orders.get(visit.work_order_id);
  const asked = world.outbox.some(
    (entry) => entry.fresh && entry.type === "follow_up.request" && entry.visit_id === visit.id,
  );
  const others = [...world.visits.values()].some(
    (one) => one.work_order_id === visit.work_order_id && one.id !== visit.id && ["on_site", "paused"].includes(one.status),
  );
  return !(asked || others || order?.wants_more_work);
}

/** What may be let go by the office alone, so that the phone cannot know whether it was. */
export function isForTheOffice(judged: Judged, unmet: Unmet): boolean {
  return judged.items.find(({ id }) => id === itemOf(unmet))?.waiver === "office";
}
