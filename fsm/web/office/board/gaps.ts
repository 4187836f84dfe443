// Time of shifts in which nothing is planned, as the board shows it. What fits there the server says.
import { spanOf, type Span } from './axis.ts'
import type { BoardData, Job, Technician } from './board.svelte.ts'

export interface Gap extends Span {
  technician: Technician
}

/** The gaps of `people` from `now` on that last so many minutes at least, the longest first. Breaks lie in them. */
export function gapsOf(data: BoardData, people: Technician[], now: number, minutes: number): Gap[] {
  const known = new Map(people.map((one) => [one.id, one]))
  const busy = Map.groupBy(
    [
      ...data.visits
        .filter((one) => one.status !== 'aborted')
        .map((one) => ({ of: one.technician_id, from: spanOf(one).from - one.travel_s * 1000, to: spanOf(one).to })),
      ...data.absences.map((one) => ({
        of: one.technician_id, from: Date.parse(one.starts_at), to: one.ends_at ? Date.parse(one.ends_at) : Infinity,
      })),
    ].sort((a, b) => a.from - b.from),
    (one) => one.of,
  )
  const found: Gap[] = []
  for (const shift of data.shifts) {
    const technician = known.get(shift.technician_id)
    if (!technician) continue
    const { from, to } = spanOf(shift)
    let free = Math.max(from, now)
    for (const one of [...(busy.get(technician.id) ?? []), { from: to, to }]) {
      if (Math.min(one.from, to) - free >= minutes * 60_000) found.push({ technician, from: free, to: Math.min(one.from, to) })
      free = Math.max(free, one.to)
    }
  }
  return found.sort((a, b) => b.to - b.from - (a.to - a.from))
}

/** The waiting jobs that a gap is long enough for, of those whose skills its technician has. */
export function fitting(gap: Gap, waiting: Job[]): Job[] {
  const has = new Set(gap.technician.skills)
  return waiting.filter((one) => one.estimate_s * 1000 <= gap.to - gap.from && one.skills.every((skill) => has.has(skill)))
}
