// Days, clocks and lengths of time as people read them. Times are shown on the clocks of a named zone.
import { currentLanguage, t } from './messages.ts'

type Look = Intl.DateTimeFormatOptions

// Hundreds of times stand on one page: a formatter is found by its look, which is always the same object.
const made = new Map<Look, Map<string, Intl.DateTimeFormat>>()

const CLOCK: Look = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }
const WEEKDAY: Look = { weekday: 'short', day: 'numeric', month: 'short' }
const DAY: Look = { day: 'numeric', month: 'short' }
const CALENDAR: Look = { calendar: 'iso8601', numberingSystem: 'latn', year: 'numeric', month: '2-digit', day: '2-digit' }
const WHOLE: Look = { ...CALENDAR, ...CLOCK, second: '2-digit' }

function format(zone: string, look: Look): Intl.DateTimeFormat {
  let zones = made.get(look)
  if (!zones) made.set(look, (zones = new Map()))
  let found = zones.get(zone)
  if (!found) zones.set(zone, (found = new Intl.DateTimeFormat(currentLanguage(), { timeZone: zone, ...look })))
  return found
}

export const viewerZone = Intl.DateTimeFormat().resolvedOptions().timeZone

/** 14:05 */
export function clock(at: string | number | Date, zone: string): string {
  return format(zone, CLOCK).format(new Date(at))
}

/** Mon, 23 March */
export function dayName(at: string | number | Date, zone: string): string {
  return format(zone, WEEKDAY).format(new Date(at))
}

/** 23 March, 14:05; the clock alone when it is on the day `today` (2026-03-23) of that zone. */
export function moment(at: string | number | Date, zone: string, today = ''): string {
  if (dayOf(at, zone) === today) return clock(at, zone)
  return `${format(zone, DAY).format(new Date(at))}, ${clock(at, zone)}`
}

export function span(from: string | number | Date, to: string | number | Date, zone: string): string {
  return `${clock(from, zone)}–${clock(to, zone)}`
}

/** The calendar day of an instant in a zone: 2026-03-23. */
export function dayOf(at: string | number | Date, zone: string): string {
  const parts = format(zone, CALENDAR)
    .formatToParts(new Date(at))
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? ''
  return `${part('year')}-${part('month')}-${part('day')}`
}

/** The instant of a day's local clock in a zone; where a clock change skips it, the first moment after. */
export function instantOf(day: string, clock: string, zone: string): Date {
  const wanted = Date.parse(`${day}T${clock}:00Z`)
  let guess = wanted
  for (let round = 0; round < 3; round++) guess += wanted - asUtc(guess, zone)
  return new Date(guess)
}

function asUtc(at: number, zone: string): number {
  const parts = format(zone, WHOLE).formatToParts(new Date(at))
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value)
  return Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'))
}

export function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10)
}

/** 1 h 25 min; 45 min; 30 s */
export function length(seconds: number): string {
  const whole = Math.round(Math.abs(seconds))
  if (whole < 60) return t('time.seconds', { count: whole })
  const minutes = Math.round(whole / 60)
  if (minutes < 60) return t('time.minutes', { count: minutes })
  const hours = Math.floor(minutes / 60)
  if (hours >= 48) return t('time.days', { count: Math.round(hours / 24) })
  return minutes % 60 ? t('time.hours_minutes', { hours, minutes: minutes % 60 }) : t('time.hours', { count: hours })
}

/** In 2 h; 15 min ago. */
export function relative(at: string | number | Date, now: number): string {
  const seconds = (new Date(at).getTime() - now) / 1000
  return t(seconds < 0 ? 'time.ago' : 'time.in', { length: length(seconds) })
}
