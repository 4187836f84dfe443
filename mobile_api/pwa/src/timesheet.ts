/** The technician's own hours by day, from the visits that this phone holds: a week back, without a line too. */
import { dayOf } from "$common/times.ts";
import type { Body } from "./sync/wire.ts";
import { standingTimes } from "./times.ts";
import type { World } from "./world.ts";

export interface Day {
  day: string;
  /** An instant of that day, to write its name by. */
  at: string;
  zone: string;
  /** Seconds by kind of time. */
  kinds: Map<string, number>;
  seconds: number;
}

/** Each entry counts on the day on which it began at the site, corrected ones as they were corrected; the last day first. */
export function timesheet(world: World, zoneOf: (visit: Body) => string): Day[] {
  const days = new Map<string, Day>();
  for (const visit of world.visits.values()) {
    if (visit.technician_id !== world.technician_id) continue;
    const zone = zoneOf(visit);
    for (const { kind, from, to } of standingTimes(visit)) {
      const day = dayOf(from, zone);
      const found = days.get(day) ?? { day, at: from, zone, kinds: new Map(), seconds: 0 };
      const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
      found.kinds.set(kind, (found.kinds.get(kind) ?? 0) + seconds);
      found.seconds += seconds;
      days.set(day, found);
    }
  }
  return [...days.values()].sort((a, b) => b.day.localeCompare(a.day));
}
