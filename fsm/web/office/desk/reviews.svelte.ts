// What waits for a decision of the office: read from the server, and what is open stays as it is while somebody
// types.
import { announce } from '$common/announce.svelte.ts'
import type { Answer } from '$common/api.ts'
import { t, word } from '$common/messages.ts'
import { dayOf, viewerZone } from '$common/times.ts'

import { Paced } from '../shell/paced.ts'
import { sentenceOf } from '../shell/saying.ts'
import { api } from '../shell/start.ts'
import { waiting } from '../shell/waiting.svelte.ts'
import { rank } from './review-kinds.ts'

export type Review = Answer<'/api/reviews/{review_id}', 'get'>
export type Data = Record<string, unknown>

const PAGE = 500
/** So many are listed; who has more waiting reads the oldest first. */
const MOST = 2_000

export const zoneOf = (review: Review) => review.job?.zone ?? viewerZone

class Reviews {
  all = $state.raw<Review[] | null>(null)
  kind = $state('')
  /** The one that is looked at, also when it has been settled meanwhile. */
  open = $state.raw<Review | null>(null)
  problem = $state('')
  now = $state(Date.now())

  /** By kind, the most urgent first; in each the oldest first. */
  groups = $derived.by(() => {
    const groups = new Map<string, Review[]>()
    for (const one of this.all ?? []) groups.set(one.kind, [...(groups.get(one.kind) ?? []), one])
    return [...groups].map(([kind, items]) => ({ kind, items })).sort((a, b) => rank(a.kind) - rank(b.kind))
  })
  shown = $derived(this.kind ? this.groups.filter((one) => one.kind === this.kind) : this.groups)
  /** In the order in which they are listed. */
  listed = $derived(this.shown.flatMap((one) => one.items))

  private turn = 0
  /** How often another one was chosen to look at. */
  private looks = 0
  private readonly reading = new Paced(() => this.read())

  /** Begin: load, and open what a link leads to. What others do is followed by the desk. */
  async start(): Promise<void> {
    const wished = new URLSearchParams(location.search).get('review')
    const { looks } = this
    await this.load()
    if (wished && looks === this.looks) await this.show(wished)
  }

  load(): Promise<void> {
    return this.reading.now()
  }

  private async read(): Promise<void> {
    const turn = ++this.turn
    try {
      const found: Review[] = []
      let after: string | null = null
      do {
        const page: Answer<'/api/reviews', 'get'> = await api.get('/api/reviews', { query: { limit: PAGE, ...(after ? { after } : {}) } })
        found.push(...page.items)
        after = page.next
      } while (after && found.length < MOST)
      if (turn !== this.turn) return
      this.all = found
      waiting.count = found.length
      this.now = Date.now()
      this.problem = ''
      if (this.kind && !found.some((one) => one.kind === this.kind)) this.kind = ''
      await this.follow()
    } catch (error) {
      if (turn === this.turn) this.problem = sentenceOf(error)
    }
  }

  /** Bring what is open up to date. Who looks at something that a colleague settles is told so. */
  private async follow(): Promise<void> {
    const { open } = this
    if (!open || open.settled_at) return
    const fresh = this.all?.find((one) => one.id === open.id)
    if (fresh) {
      if (JSON.stringify(fresh) !== JSON.stringify(open)) this.open = fresh
      return
    }
    await this.reread(open.id)
  }

  /** Read one anew; returns it when it has been settled by now. */
  async reread(review_id: string): Promise<Review | null> {
    const read = await api.get('/api/reviews/{review_id}', { path: { review_id } })
    if (this.open?.id !== review_id) return read.settled_at ? read : null
    const isNews = read.settled_at !== null && this.open.settled_at === null
    this.open = read
    if (isNews) announce(settledBy(read))
    return read.settled_at ? read : null
  }

  async show(id: string | null): Promise<void> {
    const look = ++this.looks
    const known = this.all?.find((one) => one.id === id)
    this.open = known ?? null
    this.address()
    if (!id || known) return
    try {
      const read = await api.get('/api/reviews/{review_id}', { path: { review_id: id } })
      if (look !== this.looks) return
      this.open = read
      this.address()
    } catch (error) {
      if (look === this.looks) this.problem = sentenceOf(error)
    }
  }

  private address(): void {
    const address = new URL(location.href)
    if (this.open) address.searchParams.set('review', this.open.id)
    else address.searchParams.delete('review')
    history.replaceState(history.state, '', address)
  }

  /** Take one off the list that has just been settled; returns the one that stood after it, else before it. */
  drop(id: string): Review | null {
    const at = this.listed.findIndex((one) => one.id === id)
    const next = this.listed[at + 1] ?? this.listed[at - 1] ?? null
    this.turn++
    this.all = (this.all ?? []).filter((one) => one.id !== id)
    waiting.count = this.all.length
    if (this.kind && !this.all.some((one) => one.kind === this.kind)) this.kind = ''
    return next ?? this.listed[0] ?? null
  }

  /** The day it is where a review happened. */
  today(review: Review): string {
    return dayOf(this.now, zoneOf(review))
  }
}

/** "Olga Dispatcher settled this: …". */
export function settledBy(review: Review): string {
  const [code, ...rest] = review.settlement.split(': ')
  const said = rest.length ? `${word('review.settlement', code!)}: ${rest.join(': ')}` : word('review.settlement', review.settlement)
  return t('review.settled_by', { name: review.settled_by_name || t('review.nobody'), said })
}

export const reviews = new Reviews()
