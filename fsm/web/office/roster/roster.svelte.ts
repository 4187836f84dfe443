// What the roster view knows and does. A roster comes whole from the server; each change is asked of it there.
import { announce } from '$common/announce.svelte.ts'
import { Problem, type Answer } from '$common/api.ts'
import { currentLanguage, t } from '$common/messages.ts'
import { addDays, dayName, dayOf, viewerZone } from '$common/times.ts'

import { sentenceOf } from '../shell/saying.ts'
import { api } from '../shell/start.ts'
import { entered, type Entry } from './demand.ts'

export type Roster = Answer<'/api/rosters/{roster_id}', 'get'>
export type Row = Answer<'/api/rosters', 'get'>['items'][number]
export type Cover = Answer<'/api/rosters/{roster_id}/cover', 'get'>
export type Pattern = Answer<'/api/roster-patterns', 'get'>[number]
export type Technician = Answer<'/api/technicians', 'get'>['items'][number]
export type Wish = Answer<'/api/roster-wishes', 'get'>['items'][number]
export type Absence = Answer<'/api/absences', 'get'>['items'][number]
export type Demand = Answer<'/api/roster-demand', 'get'>['lines'][number]
export type Duty = Roster['duties'][number]

/** A sentence in every language that the server speaks. */
export interface Told {
  said: Record<string, string>
}
export interface Shortage extends Told {
  skill: string | null
  level: number
  from_at: string
  until_at: string
  minutes: number
  is_certain: boolean
}
export interface Change {
  technician_id: string
  on: string
  was: string | null
  becomes: string | null
  is_late: boolean
  cost: number
}
export interface Person {
  technician_id: string
  paid_s: number[]
  contract_s: number[]
  weekends: number
  nights: number
  undesired: number
}

/** Somebody's day. */
export interface Day {
  technician_id: string
  on: string
}

const keyOf = ({ technician_id, on }: Day) => `${technician_id} ${on}`

export type View = 'people' | 'cover' | 'unmet' | 'wishes'
export const views: View[] = ['people', 'cover', 'unmet', 'wishes']

export function told(one: Told): string {
  return one.said[currentLanguage()] ?? one.said.en ?? ''
}

/** Person-minutes an hour as people: 90 → 1.5. */
export function people(minutes: number): number {
  return Math.round((minutes / 60) * 100) / 100
}

class Rosters {
  list = $state.raw<Row[] | null>(null)
  current = $state.raw<Roster | null>(null)
  cover = $state.raw<Cover | null>(null)
  patterns = $state.raw<Pattern[]>([])
  technicians = $state.raw<Technician[]>([])
  wishes = $state.raw<Wish[]>([])
  absences = $state.raw<Absence[]>([])
  /** What people entered for the days of the roster, which may be newer than it. */
  demand = $state.raw<Demand[]>([])
  view = $state<View>('people')
  problem = $state('')
  notice = $state<{ kind: 'good' | 'warn' | 'alarm'; text: string } | null>(null)
  isBusy = $state(false)

  /** The day that is open in the dialog. */
  open = $state.raw<Day | null>(null)
  isAsking = $state(false)
  isPublishing = $state(false)
  hasPatterns = $state(false)

  days = $derived(
    this.current ? Array.from({ length: this.current.weeks * 7 }, (_, n) => addDays(this.current!.starts_on, n)) : [],
  )
  duties = $derived(new Map(this.current?.duties.map((one) => [`${one.technician_id} ${one.on}`, one])))
  names = $derived(new Map(this.technicians.map((one) => [one.id, one.name])))
  wished = $derived(new Map(this.wishes.map((one) => [`${one.technician_id} ${one.on}`, one])))
  shortages = $derived((this.current?.shortages ?? []) as unknown as Shortage[])
  conflicts = $derived((this.current?.conflicts ?? []) as unknown as Told[])
  persons = $derived((this.current?.people ?? []) as unknown as Person[])
  publication = $derived(this.current?.publication as { new: number; changes: Change[]; cost: number } | null | undefined)
  isMaking = $derived(this.current !== null && ['queued', 'solving'].includes(this.current.status))
  shown = $derived.by(() => {
    const rostered = new Set(this.persons.map((one) => one.technician_id))
    return this.technicians.filter((one) => rostered.has(one.id)).toSorted((a, b) => a.name.localeCompare(b.name))
  })

  private waiting: ReturnType<typeof setTimeout> | undefined
  private turn = 0
  /** The roster that was asked for last, which may not be here yet. */
  private chosen = ''
  private acting: Promise<unknown> = Promise.resolve()
  private queued = 0

  start(): () => void {
    void this.load()
    return () => clearTimeout(this.waiting)
  }

  async load(): Promise<void> {
    try {
      const asked = new URLSearchParams(location.search)
      this.view = views.find((one) => one === asked.get('view')) ?? 'people'
      const [list, patterns, technicians] = await Promise.all([
        api.get('/api/rosters', { query: { limit: 50 } }), api.get('/api/roster-patterns'), allTechnicians(),
      ])
      this.list = list.items
      this.patterns = patterns
      this.technicians = technicians
      const wanted = list.items.find((one) => one.id === asked.get('roster')) ?? list.items[0]
      if (wanted) await this.read(wanted.id)
      this.problem = ''
    } catch (error) {
      this.problem = sentenceOf(error)
    }
  }

  /** Fetch one roster; while it is being made, again and again. An answer that comes after a later question is not shown. */
  async read(roster_id: string): Promise<void> {
    clearTimeout(this.waiting)
    const turn = ++this.turn
    this.chosen = roster_id
    const path = { roster_id }
    const current = await api.get('/api/rosters/{roster_id}', { path })
    const first_on = current.starts_on
    const last_on = addDays(first_on, current.weeks * 7 - 1)
    const [cover, wishes, demand, absences] = await Promise.all([
      api.get('/api/rosters/{roster_id}/cover', { path }),
      allWishes(first_on, last_on),
      api.get('/api/roster-demand', { query: { first_on, last_on } }),
      api.get('/api/absences', { query: { from_at: `${first_on}T00:00:00Z`, until_at: `${addDays(last_on, 1)}T00:00:00Z`, limit: 200 } }),
    ])
    if (turn !== this.turn) return
    const was = this.current
    this.current = current
    this.cover = cover
    this.wishes = wishes
    this.absences = absences.items
    this.demand = demand.lines
    this.list = (this.list ?? []).map((one) => (one.id === current.id ? { ...one, status: current.status } : one))
    if (this.isMaking) {
      this.waiting = setTimeout(() => void this.read(roster_id).catch((error: unknown) => (this.problem = sentenceOf(error))), 1500)
    } else if (was?.id === current.id && ['queued', 'solving'].includes(was.status)) {
      announce(t(current.status === 'failed' ? 'roster.failed' : 'roster.ready'))
    }
  }

  show(change: { roster?: string; view?: View }): void {
    if (change.view) this.view = change.view
    const roster = change.roster ?? this.current?.id
    history.replaceState(null, '', `?${new URLSearchParams({ ...(roster ? { roster } : {}), ...(this.view === 'people' ? {} : { view: this.view }) })}`)
    if (change.roster) void this.read(change.roster).catch((error: unknown) => (this.problem = sentenceOf(error)))
  }

  /** Do something, say how it went, fetch what came of it. Returns what was refused, null when nothing. What is asked
   * for meanwhile is done after it, on what came of it. */
  act(said: string, work: () => Promise<unknown>): Promise<unknown> {
    this.queued++
    this.isBusy = true
    const done = this.acting.then(() => this.do(said, work)).finally(() => (this.isBusy = --this.queued > 0))
    this.acting = done
    return done
  }

  private async do(said: string, work: () => Promise<unknown>): Promise<unknown> {
    try {
      const isOvertaken = (await work()) === false
      const text = isOvertaken ? t('roster.overtaken') : said
      this.notice = { kind: isOvertaken ? 'warn' : 'good', text }
      announce(text)
    } catch (error) {
      announce(refusal(error))
      return error
    }
    // What is done is done, also where it cannot be shown.
    if (this.chosen) await this.read(this.chosen).catch((error: unknown) => (this.problem = sentenceOf(error)))
    return null
  }

  /** Give a shift to another day that is free, whoever's; a rule that forbids it leaves everything as it was. */
  async move(from: Day, to: Day): Promise<void> {
    const roster_id = this.current?.id
    if (!this.duties.get(keyOf(from))?.pattern_id || !roster_id || keyOf(from) === keyOf(to)) return
    let rev = 0
    const set = async ({ technician_id, on }: Day, pattern_id: string | null, is_fixed: boolean) => {
      const path = { roster_id, technician_id, on }
      rev = (await api.put('/api/rosters/{roster_id}/technicians/{technician_id}/days/{on}', { path, body: { rev, pattern_id, is_fixed } })).rev
    }
    const name = this.names.get(to.technician_id) ?? ''
    const refused = await this.act(t('roster.changed', { name, day: dayName(`${to.on}T12:00:00Z`, 'UTC') }), async () => {
      const duty = this.duties.get(keyOf(from))
      if (this.current?.id !== roster_id || !duty?.pattern_id) return false
      rev = this.current.rev
      await set(from, null, false)
      try {
        await set(to, duty.pattern_id, true)
      } catch (error) {
        await set(from, duty.pattern_id, duty.is_fixed)
        throw error
      }
      return true
    })
    if (refused && this.chosen) {
      this.notice = { kind: 'alarm', text: refusal(refused) }
      await this.read(this.chosen)
    }
  }

  /** Enter demand; what others entered meanwhile for other hours stays. */
  enter(entry: Entry): Promise<unknown> {
    const { first_on, last_on } = entry
    return this.act(t('roster.demand_entered'), async () => {
      const { lines } = await api.get('/api/roster-demand', { query: { first_on, last_on } })
      await api.put('/api/roster-demand', { body: { first_on, last_on, lines: entered(lines, entry) } })
    })
  }

  async ask(body: Asking): Promise<unknown> {
    return this.act(t('roster.asked'), async () => {
      const made = await api.post('/api/rosters', { body })
      this.list = (await api.get('/api/rosters', { query: { limit: 50 } })).items
      this.current = made
      this.chosen = made.id
      this.show({})
    })
  }

  isAbsent(technician_id: string, on: string): Absence | undefined {
    return this.absences.find(
      (one) =>
        one.technician_id === technician_id && one.starts_at !== null &&
        dayOf(one.starts_at, this.zone) <= on && (one.ends_at === null || dayOf(Date.parse(one.ends_at) - 1, this.zone) >= on),
    )
  }

  get zone(): string {
    return this.cover?.zone ?? viewerZone
  }
}

export type Asking = NonNullable<NonNullable<Parameters<typeof api.post<'/api/rosters'>>[1]>['body']>

/** What was refused, the broken rules in the reader's language. */
export function refusal(error: unknown): string {
  if (error instanceof Problem && error.code === 'roster-rule-broken') {
    return (error.facts.breaches as Told[]).map(told).join(' ')
  }
  return sentenceOf(error)
}

async function allTechnicians(): Promise<Technician[]> {
  const found: Technician[] = []
  let after: string | null = null
  do {
    const page: Answer<'/api/technicians', 'get'> = await api.get('/api/technicians', { query: { limit: 200, ...(after ? { after } : {}) } })
    found.push(...page.items)
    after = page.next
  } while (after)
  return found
}

async function allWishes(first_on: string, last_on: string): Promise<Wish[]> {
  const found: Wish[] = []
  let after: string | null = null
  do {
    const page: Answer<'/api/roster-wishes', 'get'> = await api.get('/api/roster-wishes', { query: { first_on, last_on, limit: 200, ...(after ? { after } : {}) } })
    found.push(...page.items)
    after = page.next
  } while (after)
  return found
}

export const rosters = new Rosters()
