// Days, clocks and lengths of time as people read them. Times are shown on the clocks of a named zone.
import { currentLanguage, t } from './messages.ts'

const made = new Map<string, Intl.DateTimeFormat>()

function format(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone} ${JSON.stringify(options)}`
  let found = made.get(key)
  if (!found) made.set(key, (found = new Intl.DateTimeFormat(currentLanguage(), { timeZone: zone, ...options })))
  return found
}

export const viewerZone = Intl.DateTimeFormat().resolvedOptions().timeZone

/** 14:05 */
export function clock(at: string | number | Date, zone: string): string {
  return format(zone, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(new Date(at))
}

/** Mon, 23 March */
export function dayName(at: string | number | Date, zone: string): string {
  return format(zone, { weekday: 'short', day: 'numeric', month: 'short' }).format(new Date(at))
}

/** 23 March, 14:05; the clock alone when it is on the day `today` (2026-03-23) of that zone. */
export function moment(at: string | number | Date, zone: string, today = ''): string {
  if (dayOf(at, zone) === today) return clock(at, zone)
  return `${format(zone, { day: 'numeric', month: 'short' }).format(new Date(at))}, ${clock(at, zone)}`
}

export function span(from: string | number | Date, to: string | number | Date, zone: string): string {
  return `${clock(from, zone)}–${clock(to, zone)}`
}

/** The calendar day of an instant in a zone: 2026-03-23. */
export function dayOf(at: string | number | Date, zone: string): string {
  const parts = format(zone, { calendar: 'iso8601', numberingSystem: 'latn', year: 'numeric', month: '2-digit', day: '2-digit' })
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
  const parts = format(zone, {
    calendar: 'iso8601', numberingSystem: 'latn', hourCycle: 'h23',
    year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
  }).formatToParts(new Date(at))
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
