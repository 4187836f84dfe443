/** What is left in the technician's van: what the server knows of, less what this phone has used since. */
import type { Body } from "./sync/wire.ts";
import type { World } from "./world.ts";

export interface Stocked {
  part: Body;
  quantity: number;
}

/** How many of each part are in the van, by part; parts that were never in it are not there. */
export function vanStock(world: World): Map<string, number> {
  const left = new Map<string, number>();
  const add = (part_id: string, quantity: number) => left.set(part_id, (left.get(part_id) ?? 0) + quantity);
  for (const { access, part_id, qty } of world.stock.values()) {
    if (access !== "revoked") add(part_id, Number(qty));
  }
  if (!left.size) return left; // nobody keeps account of what is in this van
  for (const { type, fresh, outcome, data } of world.outbox) {
    const counts = type === "part.use" && fresh && outcome?.status !== "rejected" && outcome?.status !== "quarantined";
    if (counts) add(data.part_id, -Number(data.qty));
  }
  return left;
}

/** The parts whose name or number has all the words, those in the van first. */
export function findParts(world: World, words: string, left: Map<string, number>): Body[] {
  const wanted = words.toLowerCase().split(/\s+/);
  const rank = ({ id }: Body) => Number((left.get(id) ?? 0) > 0);
  return [...world.parts.values()]
    .filter(({ name, number }) => wanted.every((one) => `${number} ${name}`.toLowerCase().includes(one)))
    .sort((a, b) => rank(b) - rank(a) || a.name.localeCompare(b.name));
}
