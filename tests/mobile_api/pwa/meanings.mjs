// What the app makes of scanned and typed codes, under Node.
import { converse } from "../../node/conversation.mjs";
import { bundled } from "./bundle.mjs";

const { meaningOf, stepToWork, visitToStart } = await bundled("src/codes.ts");

const tables = ["assets", "parts", "visits", "work_orders"];

function worldOf(rows) {
  const table = (name) => new Map((rows[name] ?? []).map((row) => [row.id, row]));
  return { ...Object.fromEntries(tables.map((name) => [name, table(name)])), technician_id: "me" };
}

await converse({
  meaning: ({ rows, text }) => {
    const { code, asset, part, passport, visits } = meaningOf(worldOf(rows), text);
    return { code, asset: asset?.id, part: part?.id, passport, visits: visits.map(({ id }) => id) };
  },
  // The machine that a label names in each of several worlds.
  machines: ({ worlds, text }) => worlds.map((rows) => meaningOf(worldOf(rows), text).asset?.id ?? null),
  // What a scan does by itself: the visit it starts and the step that this takes.
  starts: ({ rows, text, due }) => {
    const world = worldOf(rows);
    const visit = visitToStart(world, meaningOf(world, text), ({ id }) => due.includes(id));
    return visit && [visit.id, stepToWork(visit)];
  },
});
