// How numbers of figures are written. Rounding happens here and nowhere before; what is not known is never 0.
import { currentLanguage, number, t, word } from '$common/messages.ts'

import type { Result } from './figures.svelte.ts'

type Amount = number | string | null | undefined

/** 98.2 %; 1,218.4 h; 40.00 €; 12 jobs. Absent: "not known". */
export function amount(value: Amount, unit: string): string {
  if (value === null || value === undefined) return t('figures.not_known')
  const size = Number(value)
  if (unit === 'ratio') return number(size, { style: 'percent', maximumFractionDigits: 1 })
  if (/^[A-Z]{3}$/.test(unit)) return number(size, { style: 'currency', currency: unit })
  const digits = Number.isInteger(size) ? 0 : Math.abs(size) < 10 ? 2 : 1
  const shown = number(size, { minimumFractionDigits: 0, maximumFractionDigits: digits })
  return `${shown} ${unitOf(unit, size)}`
}

/** A share that is no percentage but a score between 0 and 1 is written as one. */
export function valueOf(result: Result, value: Amount = result.value): string {
  if (result.kpi === 'calibration' && result.notes.includes('variant:brier') && value !== null && value !== undefined) {
    return number(Number(value), { maximumFractionDigits: 3 })
  }
  return amount(value, result.unit)
}

export function changeOf(result: Result, change: Amount): string {
  if (change === null || change === undefined) return ''
  const size = Number(change)
  const sign = size > 0 ? '+' : size < 0 ? '−' : '±'
  if (result.unit === 'ratio') {
    return `${sign}${t('figures.points', { points: number(Math.abs(size) * 100, { maximumFractionDigits: 1 }) })}`
  }
  return sign + valueOf(result, Math.abs(size))
}

export function intervalOf(result: Result): string {
  const found = result.interval
  if (!found) return ''
  const level = number(found.level, { style: 'percent' })
  if (found.high === null) return t('figures.at_least', { low: valueOf(result, found.low), level })
  return t('figures.interval', { low: valueOf(result, found.low), high: valueOf(result, found.high), level })
}

/** The unit in words; what there is no word for stands as the server wrote it. */
export function unitOf(unit: string, size: number): string {
  const key = `unit.${unit}`
  const said = t(key as 'unit.h', { count: size })
  return said === key ? unit.replaceAll('_', ' ') : said
}

/** "variant:share", "open_faults:3" → words. */
export function noteOf(note: string): string {
  const at = note.indexOf(':')
  const name = at < 0 ? note : note.slice(0, at)
  const rest = at < 0 ? '' : note.slice(at + 1)
  const said = word('note', name)
  if (!rest) return said
  const size = Number(rest)
  return `${said}: ${Number.isFinite(size) ? number(size, { maximumFractionDigits: 1 }) : word('variant', rest)}`
}

export function nameOf(names: Record<string, string>): string {
  return names[currentLanguage()] ?? names.en ?? ''
}

/** A day of the calendar, 2026-03-23, as people write it. */
export function dayNamed(day: string): string {
  return new Date(`${day}T00:00:00Z`).toLocaleDateString(currentLanguage(), { timeZone: 'UTC', dateStyle: 'medium' })
}
