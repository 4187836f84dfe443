// What is asked, and what came back. What is asked lives in the address: a link, a bookmark and a saved view
// are the same thing. All tiles come from one snapshot, and whatever is opened later asks as of that instant.
import { announce } from '$common/announce.svelte.ts'
import type { Answer } from '$common/api.ts'
import { currentLanguage, t } from '$common/messages.ts'

import { sentenceOf } from '../shell/saying.ts'
import { api, session } from '../shell/start.ts'
import { asked as parts, type Tile } from './groups.ts'
import { daysOf, periods, windowOf, type Days, type PeriodName } from './periods.ts'
import { nameOf } from './showing.ts'

export type Registry = Answer<'/api/kpis', 'get'>
export type Definition = Registry['items'][number]
export type Sheet = Answer<'/api/kpi-sheets', 'get'>
export type Comparison = Sheet['items'][number]['comparison']
export type Result = Comparison['present']
export type Table = Answer<'/api/kpis/{kpi}/table', 'get'>
export type Row = Table['items'][number]
export type Trend = Answer<'/api/kpis/mtbf/trend', 'get'>['items'][number]
export type SavedView = Answer<'/api/saved-views', 'get'>['items'][number]
export type Cut = Table['by'] & Parameters<typeof table>[1]

export const sections = ['overview', 'contracts', 'worst', 'backlog', 'maintenance', 'capacity'] as const
export type Section = (typeof sections)[number]

export interface Opened {
  /** `kpi` or `kpi:variant` */
  figure: string
  scope: string
}

class Figures {
  registry = $state.raw<Registry | null>(null)
  sheet = $state.raw<Sheet | null>(null)
  trend = $state.raw<Trend | null>(null)
  views = $state.raw<SavedView[]>([])
  problem = $state('')
  notice = $state('')
  isLoading = $state(false)

  section = $state<Section>('overview')
  period = $state<PeriodName>('last_30')
  own = $state.raw<Days>({ from: '', to: '' })
  scope = $state('tenant')
  /** The day at whose end the figures are to be as they were known; '' for now. */
  knownOn = $state('')
  opened = $state.raw<Opened | null>(null)
  jobId = $state<string | null>(null)
  /** Names of what the scope is narrowed to, by `cut:key`. */
  names = $state.raw<Record<string, string>>({})

  zone = $derived(this.registry?.zone ?? 'UTC')
  days = $derived(daysOf(this.period, this.own, Date.now(), this.zone))
  window = $derived(windowOf(this.days, this.zone))
  parts = $derived(this.scope === 'tenant' ? [] : this.scope.split(','))
  definitions = $derived.by(() => {
    const newest = new Map<string, Definition>()
    for (const one of this.registry?.items ?? []) {
      if (one.definition > (newest.get(one.kpi)?.definition ?? 0)) newest.set(one.kpi, one)
    }
    return newest
  })
  items = $derived(new Map(this.sheet?.items.map((one) => [asked(one.kpi, one.variant), one.comparison])))

  private load_ = 0

  async start(): Promise<void> {
    this.read()
    this.isLoading = true
    try {
      this.registry = await api.get('/api/kpis')
      void this.loadViews()
    } catch (error) {
      this.problem = sentenceOf(error)
      this.isLoading = false
      return
    }
    if (this.period === 'days' && !this.own.from) this.period = 'last_30'
    await this.load()
  }

  private read(): void {
    const found = new URLSearchParams(location.search)
    const day = (name: string) => (/^\d{4}-\d\d-\d\d$/.test(found.get(name) ?? '') ? found.get(name)! : '')
    this.section = sections.find((one) => one === found.get('show')) ?? 'overview'
    this.period = periods.find((one) => one === found.get('period')) ?? 'last_30'
    this.own = { from: day('from'), to: day('to') || day('from') }
    this.scope = found.get('scope') ?? 'tenant'
    this.knownOn = day('known_on')
    const figure = found.get('figure')
    this.opened = figure ? { figure, scope: found.get('of') ?? this.scope } : null
  }

  /** The part of the address that says what is asked. */
  query(): string {
    const query = new URLSearchParams()
    if (this.section !== 'overview') query.set('show', this.section)
    if (this.period !== 'last_30') query.set('period', this.period)
    if (this.period === 'days') {
      query.set('from', this.own.from)
      query.set('to', this.own.to)
    }
    if (this.scope !== 'tenant') query.set('scope', this.scope)
    if (this.knownOn) query.set('known_on', this.knownOn)
    if (this.opened) {
      query.set('figure', this.opened.figure)
      if (this.opened.scope !== this.scope) query.set('of', this.opened.scope)
    }
    return query.toString()
  }

  private write(): void {
    const text = this.query()
    history.replaceState(null, '', text ? `?${text}` : location.pathname)
  }

  ask(change: Partial<Pick<Figures, 'section' | 'period' | 'own' | 'scope' | 'knownOn' | 'opened'>>): void {
    Object.assign(this, change)
    this.write()
    if (Object.keys(change).some((one) => !['section', 'opened'].includes(one))) void this.load()
  }

  open(figure: string | null, scope = this.scope): void {
    this.opened = figure === null ? null : { figure, scope }
    this.write()
  }

  /** Narrow everything to one more thing, in the place of another of its kind. */
  narrow(cut: string, key: string, name: string): void {
    const kept = this.parts.filter((one) => !one.startsWith(`${cut}:`))
    const part = `${cut}:${encodeURIComponent(key)}`
    this.names = { ...this.names, [part]: name }
    this.ask({ scope: [...kept, part].join(',') })
  }

  widen(part: string): void {
    this.ask({ scope: this.parts.filter((one) => one !== part).join(',') || 'tenant' })
  }

  /** Whether this reader may see a figure, and it can be narrowed to what is asked about. */
  shows(figure: string, scope = this.scope): boolean {
    const definition = this.definitions.get(figure.split(':')[0]!)
    if (!definition || !definition.needs.every((one) => session.may(one))) return false
    if (figure.includes(':') && !definition.variants.includes(figure.split(':')[1]!)) return false
    if (figure.endsWith(':weeks') && scope !== 'tenant') return false
    const cuts: string[] = definition.cuts
    return scope === 'tenant' || scope.split(',').every((one) => cuts.includes(one.split(':')[0]!))
  }

  definition(figure: string): Definition | undefined {
    return this.definitions.get(figure.split(':')[0]!)
  }

  /** "Backlog: 90 % of ages" */
  title(figure: string): string {
    const name = nameOf(this.definition(figure)?.names ?? {}) || figure
    const variant = figure.split(':')[1]
    return variant ? `${name}: ${variantName(variant)}` : name
  }

  /** What every question has in common, as of what the tiles show. */
  about(scope = this.scope) {
    const until = this.knownOn ? windowOf({ from: this.knownOn, to: this.knownOn }, this.zone).to : ''
    const as_of = this.sheet?.as_of ?? (until && Date.parse(until) < Date.now() ? until : undefined)
    return { scope, from: this.window.from, to: this.window.to, ...(as_of ? { as_of } : {}) }
  }

  async load(): Promise<void> {
    const turn = ++this.load_
    this.isLoading = true
    this.sheet = null
    this.trend = null
    try {
      const kpi = this.sheetOf()
      const sheet = await api.get('/api/kpi-sheets', { query: { kpi, ...this.about() } })
      if (turn !== this.load_) return
      this.sheet = sheet
      this.problem = ''
      announce(t('figures.loaded', { count: sheet.items.length }))
      if (this.shows('mtbf')) {
        const trends = await api.get('/api/kpis/mtbf/trend', { query: this.about() })
        if (turn === this.load_) this.trend = trends.items[0] ?? null
      }
      void this.nameParts()
    } catch (error) {
      if (turn === this.load_) this.problem = sentenceOf(error)
    }
    if (turn === this.load_) this.isLoading = false
  }

  /** Everything that tiles and the sections beside them show of the whole scope. */
  sheetOf(): string[] {
    const known = new Set(parts())
    const further = [...this.definitions.keys()].filter((kpi) => !known.has(kpi))
    return [...known, ...further].filter((one) => this.shows(one)).slice(0, 40)
  }

  further = $derived.by(() => {
    const known = new Set(parts())
    return [...this.definitions.keys()].filter((kpi) => !known.has(kpi) && this.items.has(asked(kpi, this.definitions.get(kpi)!.variants[0] ?? '')))
  })

  /** Whether a tile has a place on the page. */
  hasTile({ figure, ifAny }: Tile): boolean {
    const found = this.comparison(figure)
    return found !== undefined && (!ifAny || found.present.n + found.before.n > 0)
  }

  comparison(figure: string): Comparison | undefined {
    const variant = figure.split(':')[1] ?? this.definition(figure)?.variants[0] ?? ''
    return this.items.get(asked(figure.split(':')[0]!, variant))
  }

  async table(figure: string, by: Cut, scope = this.scope): Promise<Row[]> {
    const rows: Row[] = []
    let after: string | undefined
    do {
      const page = await table(figure, by, { ...this.about(scope), limit: 500, ...(after ? { after } : {}) })
      rows.push(...page.items)
      after = page.next ?? undefined
    } while (after && rows.length < MOST_ROWS)
    return rows
  }

  /** Save a file that the server makes of the very question that is shown. */
  async download(path: string, query: [string, string][], name: string): Promise<void> {
    try {
      const asking = new URLSearchParams([...Object.entries(this.about()), ...query])
      const response = await api.fetch(`${path}?${asking}`, { headers: { Accept: '*/*' } })
      const link = document.createElement('a')
      link.href = URL.createObjectURL(await response.blob())
      link.download = name
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
      announce(t('figures.saved_file', { name }))
    } catch (error) {
      this.problem = sentenceOf(error)
    }
  }

  sheetFile(kind: 'csv' | 'xlsx', kpis: string[], by: string = 'tenant'): Promise<void> {
    const query: [string, string][] = kpis.map((one) => ['kpi', one])
    return this.download(
      `/api/kpi-sheets/${kind}`,
      [...query, ['by', by], ['language', currentLanguage()]],
      `figures-${this.days.from}-${this.days.to}.${kind}`,
    )
  }

  // --- saved views

  async loadViews(): Promise<void> {
    this.views = (await api.get('/api/saved-views')).items
  }

  async saveView(name: string): Promise<void> {
    const same = this.views.find((one) => one.name === name)
    if (same) {
      await api.patch('/api/saved-views/{view_id}', {
        path: { view_id: same.id }, body: { rev: same.rev, query: this.query() },
      })
    } else {
      await api.post('/api/saved-views', { body: { name, query: this.query() } })
    }
    await this.loadViews()
    this.notice = t('views.saved', { name })
    announce(this.notice)
  }

  async forgetView(view: SavedView): Promise<void> {
    await api.delete('/api/saved-views/{view_id}', { path: { view_id: view.id } })
    await this.loadViews()
    announce(t('views.forgotten', { name: view.name }))
  }

  show(view: SavedView): void {
    history.replaceState(null, '', view.query ? `?${view.query}` : location.pathname)
    this.read()
    void this.load()
  }

  /** Find out what people call the parts of a scope that came from an address. */
  async nameParts(scope = this.scope): Promise<void> {
    const parts = scope === 'tenant' ? [] : scope.split(',')
    for (const part of parts.filter((one) => !(one in this.names))) {
      const [cut, written] = part.split(':') as [string, string]
      const key = decodeURIComponent(written)
      let name = key === 'none' ? t('figures.none') : key
      const rows = cut === 'region' || key === 'none' ? [] : await this.table(NAMED_BY[cut] ?? 'backlog', cut as Cut, part)
      const row = rows.find((one) => one.key === key)
      if (row) name = [row.number, row.name].filter(Boolean).join(' ')
      this.names = { ...this.names, [part]: name }
    }
  }
}

const MOST_ROWS = 2000
/** A figure whose table has a row for whatever the scope names. */
const NAMED_BY: Record<string, string> = { asset: 'availability', site: 'availability', customer: 'availability', model: 'availability', contract: 'availability', technician: 'utilisation', contractor: 'utilisation' }

export function asked(kpi: string, variant: string): string {
  return variant ? `${kpi}:${variant}` : kpi
}

export function variantName(variant: string): string {
  const key = `variant.${variant}`
  const said = t(key as 'variant.share')
  return said === key ? variant.replaceAll('_', ' ') : said
}

type TableQuery = NonNullable<NonNullable<Parameters<typeof api.get<'/api/kpis/{kpi}/table'>>[1]>['query']>

function table(figure: string, by: TableQuery['by'], query: Omit<TableQuery, 'by'>): Promise<Table> {
  const [kpi, variant] = figure.split(':') as [string, string | undefined]
  return api.get('/api/kpis/{kpi}/table', {
    path: { kpi }, query: { ...query, by, ...(variant ? { variant } : {}) },
  })
}

export const figures = new Figures()
