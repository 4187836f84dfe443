// What there is to decide on, the most urgent kind first, and what happened as a sentence.
import { number, t, word } from '$common/messages.ts'
import { dayName, moment, span } from '$common/times.ts'

import type { Review } from './reviews.svelte.ts'

/** Somebody stands at the machine; a customer waits; work is not counted yet; the rest. */
export const kinds = [
  'waiver_asked', 'scope_change', 'callback', 'move_asked', 'message_unread', 'scope_price_refused', 'part_request', 'follow_up',
  'quarantined_intents', 'orphan_visit', 'waiting_intents', 'late_fact', 'work_on_cancelled_job', 'duplicate_visit', 'doubtful_time',
  'cloned_device', 'superseded_checklist', 'rules_differ', 'device_chain_broken', 'forged_closure', 'corrective_not_opened', 'suggestion',
  'never_due', 'no_rate', 'contract_ends',
] as const
export type Kind = (typeof kinds)[number]

export const isKind = (kind: string): kind is Kind => (kinds as readonly string[]).includes(kind)

/** Kinds that a newer server may know stand last. */
export const rank = (kind: string) => (isKind(kind) ? kinds.indexOf(kind) : kinds.length)

/** Intents have words of their own: `visit.start` is `review.did.visit_start`. */
export const did = (type: string) => word('review.did', type.replace('.', '_'))

const text = (value: unknown) => (typeof value === 'string' ? value : '')
const money = (amount: unknown, currency: unknown) => number(Number(amount), { style: 'currency', currency: text(currency) || 'EUR' })

/** Whom a review is about: the visit's technician, whose phone it was, who is named. */
export function who(review: Review): string {
  return review.visit?.technician || review.sender?.name || text(review.data.by) || t('review.somebody')
}

export function happened(review: Review, zone: string, today: string): string {
  const { kind, data, visit } = review
  const names = review.names as Record<string, string>
  const named = (id: unknown) => names[text(id)] ?? ''
  const day = (value: unknown) => (text(value) ? dayName(`${text(value)}T12:00:00Z`, 'UTC') : '')
  if (!isKind(kind)) return t('review.unknown', { kind })
  const base = { who: who(review), number: review.job?.number ?? '' }
  switch (kind) {
    case 'callback':
      return t('review.callback', { ...base, name: text(data.contact_name) || t('review.customer'), stars: Number(data.stars), day: visit ? dayName(visit.planned_starts_at, zone) : '' })
    case 'move_asked': {
      const from = visit ? `${dayName(visit.planned_starts_at, zone)}, ${span(visit.planned_starts_at, visit.planned_ends_at, zone)}` : ''
      if (!data.window) return t('review.move_asked.any', { ...base, from })
      const [opens, closes] = data.window as [string, string]
      return t('review.move_asked', { ...base, from, to: `${dayName(opens, zone)}, ${span(opens, closes, zone)}` })
    }
    case 'scope_price_refused':
      return t('review.scope_price_refused', { name: text(data.name) || t('review.customer'), price: money(data.price, data.currency) })
    case 'part_request':
      return t('review.part_request', { ...base, quantity: number(Number(data.quantity)), part: named(data.part_id) })
    case 'quarantined_intents':
    case 'waiting_intents':
      return t(`review.${kind}`, { ...base, count: (data.intents as unknown[]).length })
    case 'orphan_visit': {
      const visit = named(data.visit_id)
      return visit ? t('review.orphan_visit', { ...base, visit }) : t('review.orphan_visit.unknown', base)
    }
    case 'late_fact':
      return t('review.late_fact', { ...base, what: did(text(data.type)) })
    case 'duplicate_visit':
      return t('review.duplicate_visit', { ...base, other: named(data.other_visit_id) })
    case 'doubtful_time': {
      const [from, to] = [text(data.claimed_from), text(data.claimed_to)]
      return t('review.doubtful_time', { ...base, from: moment(from, zone, today), to: moment(to, zone, today), why: word('review.doubt', text(data.why)) })
    }
    case 'device_chain_broken':
      return t('review.device_chain_broken', { ...base, count: Number(data.how_many) })
    case 'suggestion':
      return t('review.suggestion', { who: text(data.by) || base.who, name: subject(review)?.name || word('review.collection', text(data.collection)) })
    case 'corrective_not_opened':
      return t('review.corrective_not_opened', { ...base, item: text(data.item) })
    case 'no_rate':
      return t('review.no_rate', { ...base, rate: word('review.rate', text(data.rate)), day: day(data.on) })
    case 'contract_ends':
      return t('review.contract_ends', { contract: named(data.contract_id) || text(data.number), day: day(data.ends_on) })
    default:
      return t(`review.${kind}`, base)
  }
}

/** What was said or found, in the words of whoever said it. */
export function said(review: Review): string[] {
  const { kind, data } = review
  if (kind === 'waiver_asked') return (data.items as { texts: string[] }[]).flatMap((one) => one.texts)
  if (kind === 'superseded_checklist') return (data.missing as { text: string }[]).map((one) => one.text)
  if (kind === 'forged_closure') return (data.findings as unknown[]).map((one) => word('review.finding', String(one)))
  if (kind === 'corrective_not_opened') return [text(data.why)]
  return [text(data.comment), text(data.note), text(data.reason && kind === 'follow_up' ? data.reason : ''), text(data.ground)].filter(Boolean)
}

export interface Subject {
  entity: 'asset' | 'site' | 'contact'
  id: string
  name: string
}

/** What a technician wishes to read otherwise; null where it is a row that only the office writes. */
export function subject(review: Review): Subject | null {
  for (const entity of ['asset', 'site', 'contact'] as const) {
    const id = text(review.data[`${entity}_id`])
    if (id) return { entity, id, name: (review.names as Record<string, string>)[id] ?? '' }
  }
  return null
}
