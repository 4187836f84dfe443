// What people enter of demand: for a trade, on some days and hours, instead of what is reckoned.
import { addDays } from '$common/times.ts'

import type { Demand } from './roster.svelte.ts'

export interface Trade {
  skill: string | null
  level: number
}

/** Hours of days, from the first included to the last included; `people` null: as it is reckoned. */
export interface Entry extends Trade {
  first_on: string
  last_on: string
  weekdays: number[]
  from: number
  until: number
  people: number | null
}

export function tradeKey({ skill, level }: Trade): string {
  return `${level} ${skill ?? ''}`
}

/** The day of the week, Monday is 0. */
export function weekdayOf(day: string): number {
  return (new Date(`${day}T12:00:00Z`).getUTCDay() + 6) % 7
}

/** What is entered once `entry` is, of what was; hours of other trades, days and hours stay. */
export function entered(lines: Demand[], entry: Entry): Demand[] {
  const { skill, level, people } = entry
  const isMeant = (on: string, hour: number) =>
    on >= entry.first_on && on <= entry.last_on && entry.weekdays.includes(weekdayOf(on)) && hour >= entry.from && hour < entry.until
  const others = lines.filter((one) => tradeKey(one) !== tradeKey(entry) || !isMeant(one.on, one.hour))
  if (people === null) return others
  const added: Demand[] = []
  for (let on = entry.first_on; on <= entry.last_on; on = addDays(on, 1)) {
    for (let hour = entry.from; hour < entry.until; hour++) if (isMeant(on, hour)) added.push({ on, hour, skill, level, people })
  }
  return [...others, ...added]
}
