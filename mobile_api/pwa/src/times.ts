/** The time of a visit: what is written down, and what its own steps suggest as long as nobody has. */
import type { Body } from "./sync/wire.ts";

export interface TimeSuggestion {
  kind: "work" | "travel";
  from: string;
  to: string;
}

/** The entries that count: of a corrected one, what it was corrected to. */
export function standingTimes(visit: Body): Body[] {
  const corrected = new Set(visit.times.map((entry: Body) => entry.of));
  return visit.times.filter(({ id }: Body) => !corrected.has(id));
}

export function suggestedTimes(visit: Body, now: number): TimeSuggestion[] {
  const there = new Set(visit.times.map((entry: Body) => entry.kind));
  const ends = visit.finished_at ?? new Date(now).toISOString();
  const spans: [TimeSuggestion["kind"], string | null, string | null][] = [
    ["travel", visit.travel_started_at, visit.arrived_at],
    ["work", visit.work_started_at, ends],
  ];
  return spans.flatMap(([kind, from, to]) =>
    from && to && Date.parse(to) - Date.parse(from) >= 60_000 && !there.has(kind) ? [{ kind, from, to }] : [],
  );
}

/** What goes on at this moment, and since when; null while nothing does. */
export function underWay(visit: Body): { kind: "work" | "travel"; since: string } | null {
  if (visit.status === "travelling" && visit.travel_started_at) return { kind: "travel", since: visit.travel_started_at };
  if (visit.status === "on_site" && visit.work_started_at) return { kind: "work", since: visit.work_started_at };
  return null;
}
