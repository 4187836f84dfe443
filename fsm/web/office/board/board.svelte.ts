// What the board knows and does. Data comes from the server and is never mended here: after each change what
// became otherwise is fetched, and what others change pokes us to do so.
import { announce } from '$common/announce.svelte.ts'
import { Problem, type Answer } from '$common/api.ts'
import { listen } from '$common/live.ts'
import { currentLanguage, t } from '$common/messages.ts'
import { addDays, clock, dayOf, length, moment } from '$common/times.ts'

import { sentenceOf } from '../shell/saying.ts'
import { api, session } from '../shell/start.ts'
import { changed } from './changes.ts'
import { kept } from './kept.ts'
import { OurVisits, type Held } from './our-visits.ts'
import { hear, isQueueWindow, tell, type Said, type Selected } from './windows.ts'

export type BoardData = Answer<'/api/board', 'get'>
export type Visit = BoardData['visits'][number]
export type Job = BoardData['waiting'][number]
export type Technician = BoardData['technicians'][number]
export type Preview = Answer<'/api/board/placement-previews', 'post'>
export type Plan = Answer<'/api/plans/{plan_id}', 'get'>
type DayAnswer = Answer<'/api/day/sick-calls', 'post'>
/** A job that a plan leaves out, and why, in every language. */
export interface LeftOut {
  work_order_id: string
  number: string
  said: Record<string, string>
}
export const leftOut = (plan: Plan) => plan.unplanned as unknown as LeftOut[]

export type View = 'timeline' | 'table' | 'map'
export type Span = 1 | 3 | 7

export interface Target {
  work_order_id: string
  technician_id: string
  starts_at: string
  visit_id?: string | null
  rev?: number | null
  ends_at?: string | null
  /** Who comes to a new visit as well, each in a visit of their own. */
  mate_ids?: string[]
}

/** What may come up on the day that asks for a word more. */
export type Happening = 'overrun' | 'cancellation' | 'late_part'

interface Undo {
  said: string
  /** Null where it stays: who undoes is told so, once, before what came earlier is undone. */
  run: (() => Promise<unknown>) | null
}

interface Change {
  kind: string
  entity_id: string
  by: string
  user_id: string | null
  at: string
}

const TICK_MS = 30_000
const HOUR_MS = 3_600_000
const spans: Span[] = [1, 3, 7]
const views: View[] = ['timeline', 'table', 'map']

class Board {
  data = $state.raw<BoardData | null>(null)
  /** Parts of it, each for itself: where one is the same object, nothing that hangs on it is touched. */
  planned = $state.raw<Visit[]>([])
  waiting = $state.raw<Job[]>([])
  staff = $state.raw<Technician[]>([])
  /** The visit that is looked at. Kept, not derived: every bar asks for it. */
  visit = $state.raw<Visit | null>(null)
  /** For itself, since all that shows a time hangs on it: new data with the same zone touches none of that. */
  zone = $state('UTC')
  problem = $state('')
  notice = $state<{ kind: 'good' | 'warn' | 'alarm'; text: string } | null>(null)
  /** When the server last told what it has, on its own clock. */
  seenAt = $state(Date.now())
  isUp = $state(true)
  people = $state.raw<string[]>([])
  lastChange = $state.raw<Change | null>(null)

  day = $state('')
  span = $state<Span>(1)
  view = $state<View>('timeline')
  territory = $state('')
  search = $state('')

  /** What is looked at: a visit's id, a waiting job's id, a technician's id. */
  selected = $state.raw<Selected>({ visit: null, job: null, technician: null })
  visitId = $derived(this.selected.visit)
  jobId = $derived(this.selected.job)
  technicianId = $derived(this.selected.technician)

  /** Waiting jobs that are chosen together, by id. */
  private picked = $state.raw<ReadonlySet<string>>(new Set())
  chosen = $derived(this.waiting.filter((one) => this.picked.has(one.work_order_id)))

  moving = $state.raw<Target | null>(null)
  plan = $state.raw<Plan | null>(null)
  isOptimising = $state(false)
  helps = $state(false)
  /** Which further dialog is open. */
  asks = $state<'gaps' | 'copy' | 'job' | null>(null)
  /** The visit that others are to join, as it was looked at. */
  crewOf = $state.raw<Visit | null>(null)
  /** What came up and is asked a word more about, and with what: as it was then, whatever becomes of it. */
  happens = $state.raw<{ what: Happening; of: Visit | Job } | null>(null)
  /** Whether any of the dialogs is open. */
  isAsking = $derived(
    [this.moving, this.plan, this.isOptimising, this.helps, this.asks, this.crewOf, this.happens].some(Boolean),
  )
  /** Whether the queue stands in a window of its own. */
  isQueueAway = $state(false)
  undos = $state.raw<Undo[]>([])

  now = $state(Date.now())

  visits = $derived(new Map(this.planned.map((one) => [one.id, one])))
  jobs = $derived(new Map(this.waiting.map((one) => [one.work_order_id, one])))
  technicians = $derived(new Map(this.staff.map((one) => [one.id, one])))
  territories = $derived([...new Set([...this.staff, ...this.waiting].map((one) => one.territory))].filter(Boolean).sort())
  shown = $derived(this.territory ? this.staff.filter((one) => one.territory === this.territory) : this.staff)
  job = $derived(this.jobId === null ? null : (this.jobs.get(this.jobId) ?? null))
  technician = $derived(this.technicianId === null ? null : (this.technicians.get(this.technicianId) ?? null))
  days = $derived(this.data ? Array.from({ length: this.span }, (_, n) => addDays(this.firstDay, n)) : [])
  firstDay = $derived(this.data ? dayOf(this.data.starts_at, this.data.zone) : this.day)
  today = $derived(dayOf(this.now, this.zone))

  private noting: { said: string; done: Promise<boolean> } | null = null
  private readonly own = new OurVisits()
  private offset = 0
  private asOf = ''
  private turns = 0
  private pulling: Promise<void> | null = null
  private next: Promise<void> | null = null

  /** Begin: read the address, load, listen. Returns how to stop. */
  start(): () => void {
    const asked = new URLSearchParams(location.search)
    this.day = asked.get('day') ?? ''
    this.span = spans.find((one) => String(one) === asked.get('days')) ?? 1
    this.view = views.find((one) => one === asked.get('view')) ?? 'timeline'
    void this.load().then(() => this.selectAsked(asked.get('visit'), asked.get('job')))
    const ticking = setInterval(() => (this.now = Date.now() + this.offset), TICK_MS)
    const stop = listen(api, '/api/board/live', {
      onPoke: ({ event, data }) => {
        if (event === 'people') this.people = (data as string[]).filter((one) => one !== session.name)
        if (event === 'changes') {
          const changes = data as Change[]
          const foreign = changes.findLast((one) => one.user_id && one.by !== session.name && one.kind.startsWith('visit.'))
          if (foreign) this.lastChange = foreign
          void this.refresh()
        }
      },
      onState: (isUp) => {
        if (isUp && !this.isUp) void this.load()
        this.isUp = isUp
      },
    })
    const stopHearing = hear((said) => this.heard(said))
    return () => {
      clearInterval(ticking)
      stop()
      stopHearing()
    }
  }

  /** What a link of another page leads to, if this day has it. */
  private selectAsked(visit: string | null, job: string | null): void {
    if (visit && this.visits.has(visit)) this.select({ visit })
    else if (job && this.jobs.has(job)) this.select({ job })
    else {
      const of = this.planned.find((one) => one.work_order_id === job)
      if (of) this.select({ visit: of.id })
    }
  }

  /** What another window of this board says. */
  private heard(said: Said): void {
    if (said.kind === 'selected') {
      this.selected = said.selected
      this.look()
    }
    if (said.kind === 'shown' && (said.day !== this.day || said.span !== this.span)) {
      this.day = said.day
      this.span = spans.find((one) => one === said.span) ?? 1
      void this.load()
    }
    if (said.kind === 'queue') {
      this.isQueueAway = said.isOpen
      if (said.isOpen) tell({ kind: 'shown', day: this.day, span: this.span })
    }
    if (said.kind === 'hello' && isQueueWindow) tell({ kind: 'queue', isOpen: true })
  }

  /** Fetch all of it; of several at once the one begun last counts. */
  async load(): Promise<void> {
    const turn = ++this.turns
    try {
      const query = { ...(this.day ? { from: this.day } : {}), days: this.span }
      const fresh = await api.get('/api/board', { query })
      if (turn !== this.turns) return
      this.take(kept(this.data, fresh))
      this.told(fresh)
    } catch (error) {
      if (turn === this.turns) this.problem = sentenceOf(error)
    }
  }

  /** Fetch what changed; one fetch at a time, and one more for what comes meanwhile. */
  refresh(): Promise<void> {
    if (!this.pulling) return (this.pulling = this.pull().finally(() => (this.pulling = null)))
    return (this.next ??= this.pulling.then(() => {
      this.next = null
      return this.refresh()
    }))
  }

  private async pull(): Promise<void> {
    const { data, turns } = this
    const isPast = !this.day && this.today !== this.firstDay
    if (!data || isPast) return this.load()
    try {
      const query = { since: this.asOf, from: this.firstDay, days: this.span }
      const changes = await api.get('/api/board/changes', { query })
      if (turns !== this.turns) return await this.load()
      if (changes.is_whole) return await this.load()
      this.take(changed(data, changes))
      this.told(changes)
    } catch (error) {
      this.problem = sentenceOf(error)
    }
  }

  private take(data: BoardData): void {
    this.data = data
    this.zone = data.zone
    this.planned = data.visits
    this.waiting = data.waiting
    this.staff = data.technicians
    this.look()
  }

  private look(): void {
    this.visit = this.visits.get(this.visitId ?? '') ?? null
  }

  private told({ as_of, now }: { as_of: string; now: string }): void {
    this.asOf = as_of
    this.seenAt = Date.parse(now)
    this.offset = this.seenAt - Date.now()
    this.problem = ''
    const at = Date.now() + this.offset
    // By the tick of the clock, unless it was wrong: all that shows how long ago hangs on it.
    if (Math.abs(at - this.now) > TICK_MS) this.now = at
  }

  show(change: { day?: string; span?: Span; view?: View }): void {
    if (change.day !== undefined) this.day = change.day
    if (change.span !== undefined) this.span = change.span
    if (change.view !== undefined) this.view = change.view
    const query = new URLSearchParams(isQueueWindow ? { pane: 'queue' } : {})
    if (this.day) query.set('day', this.day)
    if (this.span !== 1) query.set('days', String(this.span))
    if (this.view !== 'timeline') query.set('view', this.view)
    const text = query.toString()
    history.replaceState(null, '', text ? `?${text}` : location.pathname)
    if (change.day === undefined && change.span === undefined) return
    tell({ kind: 'shown', day: this.day, span: this.span })
    void this.load()
  }

  turn(days: number): void {
    this.show({ day: addDays(this.firstDay, days * this.span) })
  }

  select(what: { visit?: string; job?: string; technician?: string }): void {
    this.selected = { visit: what.visit ?? null, job: what.job ?? null, technician: what.technician ?? null }
    this.look()
    tell({ kind: 'selected', selected: this.selected })
  }

  /** The visits of others who come for the same job at the same time. */
  matesOf(visit: Visit): Visit[] {
    if (visit.crew_size === 1) return []
    const isMate = (one: Visit) => one.work_order_id === visit.work_order_id && one.starts_at === visit.starts_at && one.id !== visit.id
    return this.planned.filter(isMate)
  }

  /** Open the dialog that moves the visit which is looked at, or plans the job; for chosen jobs the one for several. */
  move(): void {
    const { visit, job } = this
    if (visit && isMovable(visit)) {
      const { work_order_id, technician_id, starts_at, ends_at, id, rev } = visit
      this.moving = { work_order_id, technician_id, starts_at, ends_at, visit_id: id, rev }
    } else if (job && this.data) {
      const shift = this.data.shifts.find((one) => Date.parse(one.ends_at) > this.now)
      const soon = Math.max(this.now, Date.parse(shift?.starts_at ?? this.data.starts_at))
      this.moving = {
        work_order_id: job.work_order_id,
        technician_id: shift?.technician_id ?? this.data.technicians[0]?.id ?? '',
        starts_at: new Date(Math.ceil(soon / HOUR_MS) * HOUR_MS).toISOString(),
      }
    } else if (!visit && !this.technician && this.chosen.length) {
      this.isOptimising = true
    }
  }

  isChosen(job: Job): boolean {
    return this.picked.has(job.work_order_id)
  }

  /** Choose jobs along with those that are, or no longer. */
  choose(jobs: Job[], isOn: boolean): void {
    const picked = new Set(this.picked)
    for (const { work_order_id } of jobs) {
      if (isOn) picked.add(work_order_id)
      else picked.delete(work_order_id)
    }
    this.picked = picked
  }

  /** Do something, say how it went, fetch what came of it. `work` may return words that warn. Returns whether it worked. */
  async act(said: string, work: () => Promise<unknown>, undo?: Undo['run']): Promise<boolean> {
    try {
      const told = await work()
      const isWarned = typeof told === 'string' && told !== ''
      const text = isWarned ? `${said} ${told}` : said
      this.notice = { kind: isWarned ? 'warn' : 'good', text }
      announce(text)
      if (undo !== undefined) this.undos = [...this.undos.slice(-19), { said, run: undo }]
      await this.refresh()
      return true
    } catch (error) {
      this.refuse(error)
      await this.refresh()
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
    // By the clock itself: `now` ticks twice a minute, and may stand before the change.
    const seconds = Math.max(0, (Date.now() + this.offset - Date.parse(changed_at)) / 1000)
    return t('board.clash', { by, ago: t('time.ago', { length: length(seconds) }) })
  }

  async undo(): Promise<void> {
    const last = this.undos.at(-1)
    if (!last) return
    this.undos = this.undos.slice(0, -1)
    if (!last.run) {
      this.notice = { kind: 'warn', text: t('board.stays', { what: last.said }) }
      announce(this.notice.text)
      return
    }
    await this.act(t('board.undone', { what: last.said }), last.run)
  }

  preview(target: Target, signal?: AbortSignal): Promise<Preview> {
    return api.post('/api/board/placement-previews', { body: bare(target), ...(signal ? { signal } : {}) })
  }

  async place(target: Target, reason: string | null): Promise<boolean> {
    const before = target.visit_id ? this.visits.get(target.visit_id) : undefined
    if (before) this.own.leaveToOthers(before)
    const number = before?.number ?? this.jobs.get(target.work_order_id)?.number ?? ''
    const name = [target.technician_id, ...(target.mate_ids ?? [])].map((one) => this.technicians.get(one)?.name ?? '').join(', ')
    const isStretched = before?.technician_id === target.technician_id && Date.parse(before.starts_at) === Date.parse(target.starts_at)
    const said = isStretched && target.ends_at
      ? t('board.resized', { number, length: length((Date.parse(target.ends_at) - Date.parse(target.starts_at)) / 1000) })
      : t(before ? 'board.moved' : 'board.planned', { number, name, clock: clock(target.starts_at, this.zone) })
    let placed: Held | undefined
    let mates: Held[] = []
    return this.act(
      said,
      async () => {
        const done = await api.post('/api/board/placements', { body: { ...bare(target), reason } })
        placed = this.own.hold(target.visit_id, done)
        mates = done.mates.map((one) => this.own.hold(one.id, one))
        this.select({ visit: placed.id })
      },
      async () => (before ? void (await this.own.putBack(before, placed!)) : this.own.withdrawAll([placed!, ...mates])),
    )
  }

  unschedule(visit: Visit): Promise<boolean> {
    return this.act(
      t('board.withdrawn', { number: visit.number }),
      () => this.own.withdraw(visit, t('board.by_dispatcher')),
      () => this.own.putAllBack(visit, []),
    )
  }

  pin(visit: Visit): Promise<boolean> {
    this.own.leaveToOthers(visit)
    let held: Held = visit
    const set = async (is_pinned: boolean) => {
      const { id, rev } = held
      held = this.own.hold(id, await api.patch('/api/visits/{visit_id}', { path: { visit_id: id }, body: { rev, is_pinned } }))
    }
    return this.act(
      t(visit.is_pinned ? 'board.unpinned' : 'board.pinned', { number: visit.number }),
      () => set(!visit.is_pinned),
      () => set(visit.is_pinned),
    )
  }

  dispatch(visits: Visit[]): Promise<boolean> {
    return this.act(t('board.dispatched', { count: visits.length }), async () => {
      const released = await api.post('/api/visits/dispatching', { body: { visit_ids: visits.map((one) => one.id) } })
      for (const one of released) this.own.hold(one.id, one)
    })
  }

  join(visit: Visit, technicians: string[], reason: string | null): Promise<boolean> {
    this.own.leaveToOthers(visit)
    const names = technicians.map((one) => this.technicians.get(one)?.name ?? '').join(', ')
    const raised = Math.max(visit.crew_size, this.matesOf(visit).length + 1 + technicians.length)
    let joined: Held[] = []
    return this.act(
      t('board.joined', { number: visit.number, names }),
      async () => {
        const done = await api.post('/api/board/crews', { body: { visit_id: visit.id, technician_ids: technicians, reason } })
        // Who was there before is of a crew now: that is a change of their visits as well.
        for (const one of done.bound) this.own.hold(one.id, one)
        joined = done.joined.map((one) => this.own.hold(one.id, one))
      },
      () => this.own.leave(visit, joined, raised),
    )
  }

  /** Plan visits once more on another day; what became of each. */
  async copy(visits: string[], day: string, reason: string | null) {
    const { lines } = await api.post('/api/board/day-copies', { body: { visit_ids: visits, to_on: day, reason } })
    const copies = lines.flatMap((one) => (one.copy ? [this.own.hold(one.copy.id, one.copy)] : []))
    const said = t('copy.done', { count: copies.length })
    if (copies.length) this.undos = [...this.undos.slice(-19), { said, run: () => this.own.withdrawAll(copies) }]
    await this.refresh()
    return lines
  }

  /** Note what came up on the day: the plan that answers it is looked at next. Returns whether it was noted. The same
   * once more while it is being noted is a hurried hand: it counts once. */
  private happened(said: string, note: () => Promise<DayAnswer>, undo?: Undo['run']): Promise<boolean> {
    if (this.noting?.said === said) return this.noting.done
    const done = this.act(said, async () => void (this.plan = (await note()).plan), undo).finally(() => (this.noting = null))
    this.noting = { said, done }
    return done
  }

  /** Plan what has been called off anew; what would have begun by now is past, and stays off. */
  private backFrom(visit: Visit): (() => Promise<void>) | undefined {
    const mates = this.matesOf(visit).filter(isNotBegun)
    return Date.parse(visit.starts_at) > this.now ? () => this.own.putAllBack(visit, mates) : undefined
  }

  sick({ id: technician_id, name }: Technician): Promise<boolean> {
    let absence_id = ''
    return this.happened(
      t('happened.sick', { name }),
      async () => {
        const answer = await api.post('/api/day/sick-calls', { body: { technician_id } })
        absence_id = String(answer.event.data.absence_id)
        return answer
      },
      () => api.delete('/api/absences/{absence_id}', { path: { absence_id } }),
    )
  }

  overrun({ id: visit_id, number }: Visit, ends_at: Date): Promise<boolean> {
    return this.happened(
      t('happened.overrun', { number, clock: moment(ends_at, this.zone, this.today) }),
      () => api.post('/api/day/overruns', { body: { visit_id, ends_at: ends_at.toISOString() } }),
      null,
    )
  }

  noShow(visit: Visit): Promise<boolean> {
    return this.happened(
      t('happened.no_show', { number: visit.number }),
      () => api.post('/api/day/no-shows', { body: { visit_id: visit.id, rev: visit.rev } }),
      this.backFrom(visit),
    )
  }

  cancel(visit: Visit, reason: string): Promise<boolean> {
    return this.happened(
      t('happened.cancellation', { number: visit.number }),
      () => api.post('/api/day/cancellations', { body: { visit_id: visit.id, rev: visit.rev, reason } }),
      this.backFrom(visit),
    )
  }

  /** What else the job asks of its planning stays, also when this is undone. */
  latePart({ work_order_id, number }: Visit | Job, earliest_at: Date, part: string | null): Promise<boolean> {
    const terms = '/api/planning/work-orders/{work_order_id}/terms'
    const path = { work_order_id }
    let before: string | null = null
    return this.happened(
      t('happened.late_part', { number, at: moment(earliest_at, this.zone, this.today) }),
      async () => {
        before = (await api.get(terms, { path })).earliest_at
        return api.post('/api/day/late-parts', { body: { work_order_id, earliest_at: earliest_at.toISOString(), part } })
      },
      async () => {
        const { earliest_at: now, required_ids, preferred_ids, forbidden_ids, parts, windows, drop_cost } = await api.get(terms, { path })
        if (Date.parse(now ?? '') !== earliest_at.getTime()) return t('happened.late_part.changed', { number })
        const body = { required_ids, preferred_ids, forbidden_ids, parts, windows, drop_cost, earliest_at: before }
        return api.put(terms, { path, body: body as TermsBody })
      },
    )
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
      async () => {
        const { consequences, visits } = await api.post('/api/plans/{plan_id}/undoing', { path, body: { reason: t('undo') } })
        for (const { was, visit } of visits) this.own.hold(was, visit)
        const language = currentLanguage()
        return consequences.map(({ number, said }) => `${number}: ${said[language] ?? said.en}`).join(' ')
      },
    )
  }
}

/** Whether a visit has not begun. */
export function isMovable(visit: Visit): boolean {
  return visit.status === 'planned' || visit.status === 'dispatched'
}

/** Whether nobody is at work there yet. */
export function isNotBegun(visit: Visit): boolean {
  return isMovable(visit) || visit.status === 'travelling'
}

type TermsBody = NonNullable<Parameters<typeof api.put<'/api/planning/work-orders/{work_order_id}/terms'>>[1]>['body']
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
    mate_ids: target.mate_ids ?? [],
  }
}

export const board = new Board()
