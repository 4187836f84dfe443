// The lines of the timeline, one a technician: what is drawn where. A line of which nothing changed is the one it was.
import { lanesOf, spanOf, type Axis } from './axis.ts'
import type { BoardData, Target, Technician, Visit } from './board.svelte.ts'
import type { Sight } from './sight.svelte.ts'
import { stopsOf, type Stop } from './stops.ts'

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

/** What a line looks like: the style of each bar and stop, all legs of travel and all promised windows as one path each. */
export interface Drawing {
  bars: { visit: Visit; place: string }[]
  stops: { stop: Stop; place: string }[]
  legs: string
  windows: string
}

const LANE_PX = 36
const EDGES_PX = 6
const BAR_PX = 5
const LEG_PX = 20

type Known = Pick<BoardData, 'visits' | 'shifts' | 'absences'>

let last = new Map<string, { line: Line; of: Known }>()

/** The lines of the board's data; those that were made last are known, also when other views were seen meanwhile. */
export function linesOf(data: BoardData, technicians: Technician[], axis: Axis): Line[] {
  const [visits, shifts, absences] = [byTechnician(data.visits), byTechnician(data.shifts), byTechnician(data.absences)]
  last = new Map(
    technicians.map((technician) => {
      const { id } = technician
      const of = { visits: visits.get(id) ?? [], shifts: shifts.get(id) ?? [], absences: absences.get(id) ?? [] }
      const old = last.get(id)
      const isSame =
        old?.line.technician === technician && old.line.axis === axis &&
        same(old.of.visits, of.visits) && same(old.of.shifts, of.shifts) && same(old.of.absences, of.absences)
      return [id, isSame ? old : { of, line: { technician, axis, ...of, ...placed(of.visits, axis) } }]
    }),
  )
  return Array.from(last.values(), (one) => one.line)
}

const grouped = new WeakMap<object, Map<string, unknown[]>>()

/** Those of each; shifts and absences seldom change, and are shared out once. */
function byTechnician<T extends { technician_id: string }>(all: T[]): Map<string, T[]> {
  let found = grouped.get(all)
  if (!found) grouped.set(all, (found = Map.groupBy(all, (one) => one.technician_id)))
  return found as Map<string, T[]>
}

function same(a: unknown[], b: unknown[]): boolean {
  return a === b || (a.length === b.length && a.every((one, n) => one === b[n]))
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
  const stops = stopsOf(visits.map((one) => one.visit))
    .filter(({ from }) => axis.shows(from, from + 1))
    .map((stop) => {
      if (stop.travel_s) legs += pathOf(axis, stop.from - stop.travel_s * 1000, stop.from, LEG_PX, 2)
      return { stop, place: `left:${percent(axis.at(stop.from))}%;top:${BAR_PX}px` }
    })
  return { bars, stops, legs, windows }
}

/** Where something from one instant to another lies on the axis. */
export function styleOf(axis: Axis, from: number, to: number): string {
  const left = axis.at(from)
  return `left:${percent(left)}%;width:${percent(Math.max(0, axis.at(to) - left))}%`
}

/** Where under the first line something would lie that is put there; '' when its line is not shown. */
export function placeOf(lines: Line[], to: Target, end: number): string {
  const at = lines.findIndex((one) => one.technician.id === to.technician_id)
  const line = lines[at]
  if (!line) return ''
  const lane = line.visits.find((one) => one.visit.id === to.visit_id)?.lane ?? 0
  const top = lines.slice(0, at).reduce((sum, one) => sum + one.height, lane * LANE_PX + BAR_PX)
  return `${styleOf(line.axis, Date.parse(to.starts_at), end)};top:${top}px`
}

export interface Seen {
  line: Line
  isNear: boolean
  tab: string | null
}

let lastSeen = new Map<string, Seen>()

/**
 * The lines with whether each is near what is seen, and the visit that the Tab key comes to. What is the same for a
 * line is the same object: of a hundred rows those alone are touched whose line changed.
 */
export function seenOf(lines: Line[], sight: Sight, tabbed: Visit | undefined, held: string | undefined): Seen[] {
  let top = 0
  const { from, to } = sight
  lastSeen = new Map(
    lines.map((line) => {
      const { id } = line.technician
      const tab = tabbed?.technician_id === id ? tabbed.id : null
      const isNear = (top < to && top + line.height > from) || tab !== null || id === held
      top += line.height
      const old = lastSeen.get(id)
      return [id, old?.line === line && old.isNear === isNear && old.tab === tab ? old : { line, isNear, tab }]
    }),
  )
  return [...lastSeen.values()]
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
