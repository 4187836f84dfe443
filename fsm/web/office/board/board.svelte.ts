// What the board knows and does. Data comes whole from the server and is never mended here: after each change
// it is fetched again, and what others change pokes us to do so.
import { announce } from '$common/announce.svelte.ts'
import { Problem, type Answer } from '$common/api.ts'
import { listen } from '$common/live.ts'
import { t } from '$common/messages.ts'
import { addDays, clock, dayOf } from '$common/times.ts'

import { sentenceOf } from '../shell/saying.ts'
import { api, session } from '../shell/start.ts'
import { kept } from './kept.ts'

export type BoardData = Answer<'/api/board', 'get'>
export type Visit = BoardData['visits'][number]
export type Job = BoardData['waiting'][number]
export type Technician = BoardData['technicians'][number]
export type Preview = Answer<'/api/board/placement-previews', 'post'>
export type Plan = Answer<'/api/plans/{plan_id}', 'get'>
export type View = 'timeline' | 'table' | 'map'
export type Span = 1 | 3 | 7

export interface Target {
  work_order_id: string
  technician_id: string
  starts_at: string
  visit_id?: string | null
  rev?: number | null
  ends_at?: string | null
}

interface Undo {
  said: string
  run: () => Promise<unknown>
}

interface Change {
  kind: string
  entity_id: string
  by: string
  user_id: string | null
  at: string
}

const spans: Span[] = [1, 3, 7]
const views: View[] = ['timeline', 'table', 'map']

class Board {
  data = $state.raw<BoardData | null>(null)
  /** For itself, since all that shows a time hangs on it: new data with the same zone touches none of that. */
  zone = $state('UTC')
  problem = $state('')
  notice = $state<{ kind: 'good' | 'warn' | 'alarm'; text: string } | null>(null)
  isLoading = $state(false)
  isUp = $state(true)
  people = $state.raw<string[]>([])
  lastChange = $state.raw<Change | null>(null)

  day = $state('')
  span = $state<Span>(1)
  view = $state<View>('timeline')
  territory = $state('')
  search = $state('')

  /** What is looked at: a visit's id, a waiting job's id, a technician's id. */
  visitId = $state<string | null>(null)
  jobId = $state<string | null>(null)
  technicianId = $state<string | null>(null)

  moving = $state.raw<Target | null>(null)
  plan = $state.raw<Plan | null>(null)
  isOptimising = $state(false)
  helps = $state(false)
  undos = $state.raw<Undo[]>([])

  now = $state(Date.now())

  visits = $derived(new Map(this.data?.visits.map((one) => [one.id, one])))
  jobs = $derived(new Map(this.data?.waiting.map((one) => [one.work_order_id, one])))
  technicians = $derived(new Map(this.data?.technicians.map((one) => [one.id, one])))
  territories = $derived(
    [...new Set([...(this.data?.technicians ?? []), ...(this.data?.waiting ?? [])].map((one) => one.territory))]
      .filter(Boolean)
      .sort(),
  )
  shown = $derived(
    (this.data?.technicians ?? []).filter((one) => !this.territory || one.territory === this.territory),
  )
  visit = $derived(this.visitId === null ? null : (this.visits.get(this.visitId) ?? null))
  job = $derived(this.jobId === null ? null : (this.jobs.get(this.jobId) ?? null))
  technician = $derived(this.technicianId === null ? null : (this.technicians.get(this.technicianId) ?? null))
  days = $derived(this.data ? Array.from({ length: this.span }, (_, n) => addDays(this.firstDay, n)) : [])
  firstDay = $derived(this.data ? dayOf(this.data.starts_at, this.data.zone) : this.day)
  today = $derived(dayOf(this.now, this.zone))

  private offset = 0
  private again: ReturnType<typeof setTimeout> | undefined

  /** Begin: read the address, load, listen. Returns how to stop. */
  start(): () => void {
    const asked = new URLSearchParams(location.search)
    this.day = asked.get('day') ?? ''
    this.span = spans.find((one) => String(one) === asked.get('days')) ?? 1
    this.view = views.find((one) => one === asked.get('view')) ?? 'timeline'
    void this.load()
    const ticking = setInterval(() => (this.now = Date.now() + this.offset), 30_000)
    const stop = listen(api, '/api/board/live', {
      onPoke: ({ event, data }) => {
        if (event === 'people') this.people = (data as string[]).filter((one) => one !== session.name)
        if (event === 'changes') {
          const changes = data as Change[]
          const foreign = changes.findLast((one) => one.user_id && one.by !== session.name && one.kind.startsWith('visit.'))
          if (foreign) this.lastChange = foreign
          this.loadSoon()
        }
      },
      onState: (isUp) => {
        if (isUp && !this.isUp) this.loadSoon()
        this.isUp = isUp
      },
    })
    return () => {
      clearInterval(ticking)
      stop()
    }
  }

  async load(): Promise<void> {
    this.isLoading = true
    try {
      const query = { ...(this.day ? { from: this.day } : {}), days: this.span }
      const fresh = await api.get('/api/board', { query })
      this.data = kept(this.data, fresh)
      this.zone = fresh.zone
      this.offset = Date.parse(this.data.now) - Date.now()
      this.now = Date.now() + this.offset
      this.problem = ''
    } catch (error) {
      this.problem = sentenceOf(error)
    }
    this.isLoading = false
  }

  private loadSoon(): void {
    clearTimeout(this.again)
    this.again = setTimeout(() => void this.load(), 250)
  }

  show(change: { day?: string; span?: Span; view?: View }): void {
    if (change.day !== undefined) this.day = change.day
    if (change.span !== undefined) this.span = change.span
    if (change.view !== undefined) this.view = change.view
    const query = new URLSearchParams()
    if (this.day) query.set('day', this.day)
    if (this.span !== 1) query.set('days', String(this.span))
    if (this.view !== 'timeline') query.set('view', this.view)
    const text = query.toString()
    history.replaceState(null, '', text ? `?${text}` : location.pathname)
    if (change.day !== undefined || change.span !== undefined) void this.load()
  }

  turn(days: number): void {
    this.show({ day: addDays(this.firstDay, days * this.span) })
  }

  select(what: { visit?: string; job?: string; technician?: string }): void {
    this.visitId = what.visit ?? null
    this.jobId = what.job ?? null
    this.technicianId = what.technician ?? null
  }

  /** Do something, say how it went, fetch what came of it. Returns whether it worked. */
  async act(said: string, work: () => Promise<unknown>, undo?: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      this.notice = { kind: 'good', text: said }
      announce(said)
      if (undo) this.undos = [...this.undos.slice(-19), { said, run: undo }]
      await this.load()
      return true
    } catch (error) {
      this.refuse(error)
      await this.load()
      return false
    }
  }

  refuse(error: unknown): void {
    const text = this.clash(error) ?? sentenceOf(error)
    this.notice = { kind: 'alarm', text }
    announce(text)
  }

  /** "Olga moved this 12 s ago", in the page's own language. */
  private clash(error: unknown): string | null {
    if (!(error instanceof Problem) || error.code !== 'moved-meanwhile') return null
    const { by, changed_at } = error.facts as { by: string; changed_at: string | null }
    if (!by || !changed_at) return null
    const seconds = Math.max(0, Math.round((this.now - Date.parse(changed_at)) / 1000))
    return t('board.clash', { by, ago: t('time.ago', { length: t('time.seconds', { count: seconds }) }) })
  }

  async undo(): Promise<void> {
    const last = this.undos.at(-1)
    if (!last) return
    this.undos = this.undos.slice(0, -1)
    await this.act(t('board.undone', { what: last.said }), last.run)
  }

  preview(target: Target, signal?: AbortSignal): Promise<Preview> {
    return api.post('/api/board/placement-previews', { body: bare(target), ...(signal ? { signal } : {}) })
  }

  async place(target: Target, reason: string | null): Promise<boolean> {
    const before = target.visit_id ? this.visits.get(target.visit_id) : undefined
    const number = before?.number ?? this.jobs.get(target.work_order_id)?.number ?? ''
    const name = this.technicians.get(target.technician_id)?.name ?? ''
    const said = t(before ? 'board.moved' : 'board.planned', {
      number, name, clock: clock(target.starts_at, this.zone),
    })
    let placed: Answer<'/api/board/placements', 'post'> | undefined
    return this.act(
      said,
      async () => {
        placed = await api.post('/api/board/placements', { body: { ...bare(target), reason } })
        this.select({ visit: placed.id })
      },
      () =>
        before
          ? api.post('/api/board/placements', {
              body: {
                work_order_id: before.work_order_id, technician_id: before.technician_id, visit_id: placed!.id,
                rev: placed!.rev, starts_at: before.starts_at, ends_at: before.ends_at, reason: t('undo'),
              },
            })
          : api.post('/api/visits/{visit_id}/withdrawal', { path: { visit_id: placed!.id }, body: { reason: t('undo') } }),
    )
  }

  unschedule(visit: Visit): Promise<boolean> {
    return this.act(
      t('board.withdrawn', { number: visit.number }),
      () =>
        api.post('/api/visits/{visit_id}/withdrawal', {
          path: { visit_id: visit.id }, body: { reason: t('board.by_dispatcher') },
        }),
      () =>
        api.post('/api/board/placements', {
          body: {
            work_order_id: visit.work_order_id, technician_id: visit.technician_id, starts_at: visit.starts_at,
            ends_at: visit.ends_at, reason: t('undo'),
          },
        }),
    )
  }

  pin(visit: Visit): Promise<boolean> {
    const set = (rev: number, is_pinned: boolean) =>
      api.patch('/api/visits/{visit_id}', { path: { visit_id: visit.id }, body: { rev, is_pinned } })
    return this.act(
      t(visit.is_pinned ? 'board.unpinned' : 'board.pinned', { number: visit.number }),
      () => set(visit.rev, !visit.is_pinned),
      () => set(visit.rev + 1, visit.is_pinned),
    )
  }

  dispatch(visits: Visit[]): Promise<boolean> {
    return this.act(t('board.dispatched', { count: visits.length }), () =>
      api.post('/api/visits/dispatching', { body: { visit_ids: visits.map((one) => one.id) } }),
    )
  }

  async sick(technician: Technician): Promise<void> {
    try {
      const answer = await api.post('/api/day/sick-calls', { body: { technician_id: technician.id } })
      this.plan = answer.plan
      await this.load()
    } catch (error) {
      this.refuse(error)
    }
  }

  /** Ask for a plan and wait until it is made. */
  async ask(body: Parameters<typeof requestPlan>[0], signal: AbortSignal): Promise<Plan> {
    let plan: Plan = await requestPlan(body)
    while (plan.status === 'queued' || plan.status === 'solving') {
      await new Promise((done) => setTimeout(done, 500))
      signal.throwIfAborted()
      plan = await api.get('/api/plans/{plan_id}', { path: { plan_id: plan.id }, signal })
    }
    return plan
  }

  accept(plan: Plan, groups: number[] | null): Promise<boolean> {
    const path = { plan_id: plan.id }
    return this.act(
      t('plan.accepted'),
      () => api.post('/api/plans/{plan_id}/acceptance', { path, body: groups ? { groups } : {} }),
      () => api.post('/api/plans/{plan_id}/undoing', { path }),
    )
  }
}

type PlanBody = NonNullable<Parameters<typeof api.post<'/api/plans'>>[1]>['body']

function requestPlan(body: NonNullable<PlanBody>): Promise<Answer<'/api/plans', 'post'>> {
  return api.post('/api/plans', { body })
}

function bare(target: Target) {
  return {
    work_order_id: target.work_order_id,
    technician_id: target.technician_id,
    starts_at: target.starts_at,
    visit_id: target.visit_id ?? null,
    rev: target.rev ?? null,
    ends_at: target.ends_at ?? null,
  }
}

export const board = new Board()
