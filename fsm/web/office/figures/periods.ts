// Which days a page of figures is over: named periods that move with time, or days that stay.
import { addDays, dayOf, instantOf } from '$common/times.ts'

export const periods = ['this_month', 'last_month', 'last_30', 'last_90', 'last_12', 'this_year', 'days'] as const
export type PeriodName = (typeof periods)[number]

/** Days of the company's calendar: `to` is the last one and inside. */
export interface Days {
  from: string
  to: string
}

export function daysOf(name: PeriodName, own: Days, now: number, zone: string): Days {
  const today = dayOf(now, zone)
  const month = `${today.slice(0, 7)}-01`
  switch (name) {
    case 'this_month': return { from: month, to: addDays(monthsLater(month, 1), -1) }
    case 'last_month': return { from: monthsLater(month, -1), to: addDays(month, -1) }
    case 'last_30': return { from: addDays(today, -29), to: today }
    case 'last_90': return { from: addDays(today, -89), to: today }
    case 'last_12': return { from: monthsLater(month, -11), to: addDays(monthsLater(month, 1), -1) }
    case 'this_year': return { from: `${today.slice(0, 4)}-01-01`, to: `${today.slice(0, 4)}-12-31` }
    case 'days': return own
  }
}

/** The instants [from, to) of whole days of a zone. */
export function windowOf(days: Days, zone: string): { from: string; to: string } {
  return {
    from: instantOf(days.from, '00:00', zone).toISOString(),
    to: instantOf(addDays(days.to, 1), '00:00', zone).toISOString(),
  }
}

function monthsLater(first: string, count: number): string {
  const [year, month] = first.split('-').map(Number) as [number, number]
  return new Date(Date.UTC(year, month - 1 + count, 1)).toISOString().slice(0, 10)
}
