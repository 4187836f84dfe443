/** The time that the visit's own steps suggest, as long as nobody has written it down. */
import type { Body } from "./sync/wire.ts";

export interface TimeSuggestion {
  kind: "work" | "travel";
  from: string;
  to: string;
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
