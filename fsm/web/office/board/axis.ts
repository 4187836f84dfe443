// From instants to places on the timeline and back. Each day shows the same hours, nights are left out; places
// are percentages, so that a timeline grows with its window without being drawn again.
import { instantOf } from '$common/times.ts'

import type { BoardData } from './board.svelte.ts'

const HOUR_MS = 3_600_000

export interface Axis {
  days: { day: string; opens: number; closes: number }[]
  hours: number[]
  at(instant: number): number
  instant(percent: number): number
  /** Whether any of [from, to) is shown. */
  shows(from: number, to: number): boolean
}

export interface Span {
  from: number
  to: number
}

interface Timed {
  starts_at: string
  ends_at: string
}

const read = new WeakMap<Timed, Span>()

/** When something begins and ends; hundreds of texts are read once, since what did not change is the same object. */
export function spanOf(one: Timed): Span {
  let span = read.get(one)
  if (!span) read.set(one, (span = { from: Date.parse(one.starts_at), to: Date.parse(one.ends_at) }))
  return span
}

let known: { of: string; midnights: number[] } | null = null

/** Asking the calendar takes as long as hundreds of visits do: it is asked when the days change. */
function midnightsOf(days: string[], zone: string): number[] {
  const of = [zone, ...days].join()
  if (known?.of !== of) known = { of, midnights: days.map((day) => instantOf(day, '00:00', zone).getTime()) }
  return known.midnights
}

let made: { of: string; axis: Axis } | null = null

/**
 * The axis of a board: from an hour before the first shift to an hour after the last, at least 7 to 18 o'clock.
 * The same object as long as it is the same axis, since all bars hang on it.
 */
export function axisOf(data: BoardData, days: string[]): Axis {
  let first = 7
  let last = 18
  const midnights = midnightsOf(days, data.zone)
  for (const midnight of midnights) {
    for (const one of [...data.shifts, ...data.visits]) {
      const { from, to } = spanOf(one)
      const a = (from - midnight) / HOUR_MS
      const b = (to - midnight) / HOUR_MS
      if (a < 24 && b > 0) {
        first = Math.min(first, Math.max(0, Math.floor(a) - 1))
        last = Math.max(last, Math.min(24, Math.ceil(b) + 1))
      }
    }
  }
  const of = [data.zone, first, last, ...days].join()
  if (made?.of !== of) made = { of, axis: axisBetween(first, last, days, midnights) }
  return made.axis
}

function axisBetween(first: number, last: number, days: string[], midnights: number[]): Axis {
  const shown = days.map((day, n) => {
    const midnight = midnights[n]!
    return { day, opens: midnight + first * HOUR_MS, closes: midnight + last * HOUR_MS }
  })
  const share = 100 / days.length
  return {
    days: shown,
    hours: Array.from({ length: last - first }, (_, n) => first + n),
    at(instant) {
      for (let n = 0; n < shown.length; n++) {
        const { opens, closes } = shown[n]!
        if (instant < opens) return n * share
        if (instant <= closes) return (n + (instant - opens) / (closes - opens)) * share
      }
      return 100
    },
    instant(percent) {
      const n = Math.max(0, Math.min(shown.length - 1, Math.floor(percent / share)))
      const { opens, closes } = shown[n]!
      return opens + Math.max(0, Math.min(1, percent / share - n)) * (closes - opens)
    },
    shows: (from, to) => shown.some(({ opens, closes }) => from < closes && to > opens),
  }
}

/** The lane of each span, so that spans which overlap lie under each other. In order of their beginnings. */
export function lanesOf(spans: Span[]): number[] {
  const free: number[] = []
  return spans.map(({ from, to }) => {
    let lane = free.findIndex((until) => until <= from)
    if (lane < 0) lane = free.length
    free[lane] = to
    return lane
  })
}
