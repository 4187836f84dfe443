/** What a scanned or typed code means on this phone: a passport's address, a serial, a part's number. */
import type { Body } from "./sync/wire.ts";
import type { World } from "./world.ts";
import { isOver, isTaken } from "./world.ts";

export interface Meaning {
  code: string;
  asset?: Body;
  part?: Body;
  /** Visits of this technician at the machine that are still to be done. */
  visits: Body[];
}

/** Everything that a label on the machine may say. */
export function codesOf(asset: Body): string[] {
  const identifiers = asset.identifiers.map(({ value }: Body) => value);
  return [...identifiers, ...asset.passports, asset.number, asset.serial].filter(Boolean);
}

/** The code in what was read: the end of a passport's address, else the text itself. */
export function codeIn(text: string): string {
  const passport = /\/p\/([^/?#]+)/.exec(text);
  return decodeURIComponent(passport?.[1] ?? text).trim();
}

export function meaningOf(world: World, text: string): Meaning {
  const code = codeIn(text);
  const bare = plain(code);
  const asset = [...world.assets.values()].find((one) => codesOf(one).some((own) => plain(own) === bare));
  const part = [...world.parts.values()].find(({ number }) => plain(number) === bare);
  const visits = asset
    ? [...world.visits.values()].filter(
        (visit) =>
          visit.technician_id === world.technician_id &&
          world.work_orders.get(visit.work_order_id)?.asset_id === asset.id &&
          !isOver(visit) &&
          !isTaken(world, visit),
      )
    : [];
  return { code, ...(asset && { asset }), ...(part && { part }), visits };
}

function plain(code: string): string {
  return code.replace(/[\s-]/g, "").toUpperCase();
}
