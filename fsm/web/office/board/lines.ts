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
  height: number
}

/** What a line looks like: the style of each bar, all legs of travel and all promised windows as one path each. */
export interface Drawing {
  bars: { visit: Visit; place: string }[]
  legs: string
  windows: string
}

const LANE_PX = 34
const EDGES_PX = 6
const BAR_PX = 5
const LEG_PX = 19

let last = new Map<string, { line: Line; of: unknown[] }>()

/** The lines of the board's data; those that were made last are known, also when other views were seen meanwhile. */
export function linesOf(data: BoardData, technicians: Technician[], axis: Axis): Line[] {
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

function placed(visits: Visit[], axis: Axis): Pick<Line, 'visits' | 'height'> {
  const spans = visits.map(spanOf)
  const lanes = lanesOf(spans)
  const shown = visits
    .map((visit, n) => ({ visit, lane: lanes[n]!, ...spans[n]! }))
    .filter(({ from, to }) => axis.shows(from, to))
  const many = 1 + Math.max(0, ...shown.map((one) => one.lane))
  return { visits: shown, height: many * LANE_PX + EDGES_PX }
}

/** Made of the lines in sight alone. Paths go in percent across and in pixels down. */
export function drawingOf({ axis, visits }: Line): Drawing {
  let legs = ''
  let windows = ''
  const bars = visits.map(({ visit, from, to, lane }) => {
    const top = lane * LANE_PX
    if (visit.travel_s) legs += pathOf(axis, from - visit.travel_s * 1000, from, top + LEG_PX, 2)
    if (visit.window_starts_at && visit.window_ends_at) {
      windows += pathOf(axis, Date.parse(visit.window_starts_at), Date.parse(visit.window_ends_at), top + 1, 3)
    }
    return { visit, place: `${styleOf(axis, from, to)};top:${top + BAR_PX}px` }
  })
  return { bars, legs, windows }
}

/** Where something from one instant to another lies on the axis. */
export function styleOf(axis: Axis, from: number, to: number): string {
  const left = axis.at(from)
  return `left:${percent(left)}%;width:${percent(Math.max(0, axis.at(to) - left))}%`
}

/** Where on its line something would lie that is put there; `top` is the line's. */
export function placeOf({ axis, visits }: Line, to: { visit_id?: string | null; starts_at: string }, end: number, top: number): string {
  const lane = visits.find((one) => one.visit.id === to.visit_id)?.lane ?? 0
  return `${styleOf(axis, Date.parse(to.starts_at), end)};top:${top + lane * LANE_PX + BAR_PX}px`
}

function pathOf(axis: Axis, from: number, to: number, top: number, height: number): string {
  const left = percent(axis.at(from))
  return `M${left} ${top}H${percent(axis.at(to))}v${height}H${left}z`
}

/** To a thousandth: short numbers are written and read faster. */
function percent(share: number): number {
  return Math.round(share * 1000) / 1000
}

/** The visit of a line that begins nearest to an instant. */
export function nearest(line: Line, at: number): Visit | undefined {
  return line.visits.toSorted((a, b) => Math.abs(a.from - at) - Math.abs(b.from - at))[0]?.visit
}
