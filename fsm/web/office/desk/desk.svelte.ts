// What lies on the desk: read from the server, read again when something changes; what is typed stays meanwhile.
import { announce } from '$common/announce.svelte.ts'
import type { Answer } from '$common/api.ts'
import { listen } from '$common/live.ts'
import { t } from '$common/messages.ts'

import { Paced } from '../shell/paced.ts'
import { sentenceOf } from '../shell/saying.ts'
import { api, session } from '../shell/start.ts'
import { waiting } from '../shell/waiting.svelte.ts'
import { reviews } from './reviews.svelte.ts'

export type Waiting = Answer<'/api/desk/requests', 'get'>['items'][number]
export type Done = Answer<'/api/desk/to-close', 'get'>['items'][number]
export type WorkType = Answer<'/api/work-types', 'get'>['items'][number]

export const parts = ['requests', 'reviews', 'closing'] as const
export type Part = (typeof parts)[number]

const MOST = 500
const AGAIN_MS = 30_000

/** What each part needs of whoever opens it. */
const needed: Record<Part, string> = { requests: 'edit_requests', reviews: 'edit_work_orders', closing: 'close_work_order' }

class Desk {
  requests = $state.raw<Waiting[] | null>(null)
  closing = $state.raw<Done[] | null>(null)
  counts = $state<{ requests: number | null; closing: number | null }>({ requests: null, closing: null })
  part = $state<Part>('requests')
  problem = $state('')
  isUp = $state(true)
  now = $state(Date.now())
  notice = $state.raw<{ text: string; job?: string } | null>(null)
  isMakingJob = $state(false)

  private readonly reading = new Paced(() => this.read())

  /** The parts that open to whoever is signed in, who is not known yet when this is made. */
  get seen(): Part[] {
    return parts.filter((one) => session.may(needed[one]) && !session.isCustomer)
  }

  /** Begin: load, and follow what others do. Returns how to stop. */
  start(): () => void {
    const asked = new URLSearchParams(location.search)
    // A review that a link leads to lies in its part.
    const wished = asked.has('review') ? 'reviews' : asked.get('part')
    this.part = this.seen.find((one) => one === wished) ?? this.seen[0] ?? 'requests'
    void this.load()
    const again = () => document.visibilityState === 'visible' && void this.load()
    document.addEventListener('visibilitychange', again)
    const timer = setInterval(again, AGAIN_MS)
    const stop = session.may('plan')
      ? listen(api, '/api/board/live', {
          onPoke: ({ event }) => event === 'changes' && this.reading.soon(),
          onState: (isUp) => {
            if (isUp && !this.isUp) void this.load()
            this.isUp = isUp
          },
        })
      : () => {}
    return () => {
      document.removeEventListener('visibilitychange', again)
      clearInterval(timer)
      this.reading.stop()
      stop()
    }
  }

  load(): Promise<void> {
    return this.reading.now()
  }

  private async read(): Promise<void> {
    const query = { limit: MOST }
    // Whoever looks at the reviews has them read once they are there; others need only their number.
    const areLookedAt = this.part === 'reviews' && (reviews.all !== null || reviews.problem !== '')
    if (areLookedAt) void reviews.load()
    else if (this.seen.includes('reviews')) void waiting.ask()
    try {
      const [requests, closing] = await Promise.all([
        this.seen.includes('requests') ? api.get('/api/desk/requests', { query }) : null,
        this.seen.includes('closing') ? api.get('/api/desk/to-close', { query }) : null,
      ])
      const before = this.counts.requests
      this.requests = requests?.items ?? []
      this.closing = closing?.items ?? []
      this.counts = { requests: requests?.count ?? 0, closing: closing?.count ?? 0 }
      this.now = Date.now()
      this.problem = ''
      if (before !== null && (this.counts.requests ?? 0) > before) announce(t('desk.more_requests', { count: this.counts.requests ?? 0 }))
    } catch (error) {
      this.problem = sentenceOf(error)
    }
  }

  /** How much lies in a part; null while it is not known. */
  count(part: Part): number | null {
    return part === 'reviews' ? waiting.count : this.counts[part]
  }

  show(part: Part): void {
    this.part = part
    this.notice = null // it was said of what lay on another part
    const address = new URL(location.href)
    address.search = ''
    if (part !== this.seen[0]) address.searchParams.set('part', part)
    history.replaceState(history.state, '', address)
  }

  /** Say what was done, with the way to the job; the list follows. */
  async did(text: string, job?: string): Promise<void> {
    this.notice = job ? { text, job } : { text }
    await this.load()
  }
}

export const desk = new Desk()
