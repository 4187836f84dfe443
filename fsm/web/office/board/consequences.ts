// What comes of a placement, in words: the server's sentences in the reader's language.
import { number, t } from '$common/messages.ts'
import { length } from '$common/times.ts'

import { inLanguage } from '../shell/saying.ts'
import type { Preview } from './board.svelte.ts'

type Consequence = Preview['consequences'][number]

export function travelOf(preview: Preview): string {
  const seconds = preview.added_travel_s
  return t('board.travel', {
    change: `${seconds < 0 ? '−' : '+'}${length(seconds)}`,
    km: number(preview.added_travel_m / 1000, { maximumFractionDigits: 1, signDisplay: 'exceptZero' }),
  })
}

/** How much it weighs: what cannot be, what asks for a reason, what is good to know. */
export function weightOf(one: Consequence): string {
  return t(one.is_hard ? 'board.hard' : one.asks_reason ? 'board.soft' : 'board.mere')
}

/** All of it, to be read aloud. */
export function tellOf(preview: Preview): string {
  const all = preview.consequences.map((one) => `${weightOf(one)} ${inLanguage(one.said)}`)
  return [...(all.length ? all : [t('board.nothing_suffers')]), travelOf(preview)].join(' ')
}
