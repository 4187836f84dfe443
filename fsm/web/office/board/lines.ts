// The lines of the timeline, one a technician: what is drawn where. A line of which nothing changed is the one it was.
import { lanesOf, spanOf, type Axis } from './axis.ts'
import type { BoardData, Technician, Visit } from './board.svelte.ts'

export interface Placed {
  visit: Visit
  from: number
  to: number
  lane: number
}

export interface Line {
  technician: Technician
  axis: Axis
  visits: Placed[]
  shifts: BoardData['shifts']
  absences: BoardData['absences']
  lanes: number
  height: number
}

const LANE_PX = 34
const EDGES_PX = 6

/** Returns what makes lines of the board's data, and knows those that it made last. */
export function liner(): (data: BoardData, technicians: Technician[], axis: Axis) => Line[] {
  let last = new Map<string, { line: Line; of: unknown[] }>()
  return (data, technicians, axis) => {
    const visits = Map.groupBy(data.visits, (one) => one.technician_id)
    const shifts = Map.groupBy(data.shifts, (one) => one.technician_id)
    const absences = Map.groupBy(data.absences, (one) => one.technician_id)
    last = new Map(
      technicians.map((technician) => {
        const { id } = technician
        const mine = { visits: visits.get(id) ?? [], shifts: shifts.get(id) ?? [], absences: absences.get(id) ?? [] }
        const of = [technician, axis, ...mine.visits, ...mine.shifts, ...mine.absences]
        const old = last.get(id)
        const isSame = old?.of.length === of.length && old.of.every((one, n) => one === of[n])
        return [id, isSame ? old : { of, line: { technician, axis, ...mine, ...placed(mine.visits, axis) } }]
      }),
    )
    return Array.from(last.values(), (one) => one.line)
  }
}

function placed(visits: Visit[], axis: Axis): Pick<Line, 'visits' | 'lanes' | 'height'> {
  const spans = visits.map(spanOf)
  const lanes = lanesOf(spans)
  const shown = visits
    .map((visit, n) => ({ visit, lane: lanes[n]!, ...spans[n]! }))
    .filter(({ from, to }) => axis.shows(from, to))
  const many = 1 + Math.max(0, ...shown.map((one) => one.lane))
  return { visits: shown, lanes: many, height: many * LANE_PX + EDGES_PX }
}

/** The visit of a line that begins nearest to an instant. */
export function nearest(line: Line, at: number): Visit | undefined {
  return line.visits.toSorted((a, b) => Math.abs(a.from - at) - Math.abs(b.from - at))[0]?.visit
}
