// A checklist in words: what the office wrote, and what stands in the way, limits with their numbers.
import { currentLanguage, number, t } from './messages.ts'

export type Written = Record<string, string>

export interface Item {
  id: string
  kind: 'yesno' | 'number' | 'choice' | 'text' | 'photo' | 'video' | 'signature' | 'meter' | 'barcode'
  label?: Written
  help?: Written
  constraint_text?: Written
  choices?: { code: string; label?: Written }[]
  [member: string]: any
}

/** One thing that stands between a job and its completion; `at` is a JSON pointer such as `/items/gauge/photos/1`. */
export interface Unmet {
  at: string
  code: 'required' | 'shape' | 'limit' | 'constraint' | 'photo_missing' | 'photo_pending' | 'photo_corrupt'
  rule?: string
  photo_id?: string
  state?: string
}

/** A text that is written by language: the reader's, else English, else any. */
export function written(text: Written | undefined, otherwise = ''): string {
  if (!text) return otherwise
  return text[currentLanguage()] ?? text.en ?? Object.values(text)[0] ?? otherwise
}

/** The item that a JSON pointer such as `/items/gauge/photos/1` leads to. */
export function itemOf(unmet: Unmet): string {
  return unmet.at.split('/')[2]!
}

export function whatIsMissing(unmet: Unmet, items: Item[]): string {
  const item = items.find(({ id }) => id === itemOf(unmet))
  const unit = item?.unit ? ` ${item.unit}` : ''
  switch (unmet.code) {
    case 'required':
      return t(item?.kind === 'signature' ? 'unmet.signature' : 'unmet.required')
    case 'photo_missing':
      return t('unmet.photo')
    case 'photo_pending':
      return t('unmet.pending')
    case 'photo_corrupt':
      return t('unmet.corrupt')
    case 'constraint':
      return unmet.rule === 'match' ? t('unmet.match') : written(item?.constraint_text, t('unmet.constraint'))
    case 'limit':
      break
    case 'shape':
      return t(unmet.rule === 'name' ? 'unmet.name' : 'unmet.shape')
  }
  const limits: Record<string, () => string> = {
    min: () => t('unmet.min', { limit: `${number(item?.min)}${unit}` }),
    max: () => t('unmet.max', { limit: `${number(item?.max)}${unit}` }),
    decimals: () => t('unmet.decimals', { count: item?.decimals }),
    min_length: () => t('unmet.min_length', { count: item?.min_length ?? 1 }),
    max_length: () => t('unmet.max_length', { count: item?.max_length ?? 2_000 }),
    min_picks: () => t('unmet.min_picks', { count: item?.min_picks }),
    max_picks: () => t('unmet.max_picks', { count: item?.max_picks }),
    last_reading: () => t('unmet.last_reading'),
  }
  return limits[unmet.rule ?? '']?.() ?? t('unmet.shape')
}
