// What a customer looks at: which part, which job; asked again while the page is looked at.
import type { Answer } from '$common/api.ts'
import { currentLanguage } from '$common/messages.ts'

import { Attempt } from '../shell/attempt.svelte.ts'
import { api } from '../shell/start.ts'

export type Home = Answer<'/api/portal', 'get'>
export type JobLine = Answer<'/api/portal/jobs', 'get'>['items'][number]
export type Job = Answer<'/api/portal/jobs/{work_order_id}', 'get'>
export type Machine = Answer<'/api/portal/machines', 'get'>['items'][number]
export type Offer = Answer<'/api/portal/prices', 'get'>['items'][number]
export type Request = Answer<'/api/service-requests', 'get'>['items'][number]

export const parts = ['jobs', 'machines', 'promises', 'papers'] as const
export type Part = (typeof parts)[number]

const AGAIN_MS = 30_000

class Portal {
  part = $state<Part>('jobs')
  jobId = $state<string | null>(null)
  /** A machine whose jobs alone are shown. */
  machine = $state.raw<Machine | null>(null)
  isOver = $state(false)
  /** What is reported on: a machine, a site, or (`null`) nothing in particular; undefined: nothing is. */
  reporting = $state.raw<Machine | null | undefined>(undefined)

  home = $state.raw<Home | null>(null)
  jobs = $state.raw<JobLine[] | null>(null)
  next = $state<string | null>(null)
  requests = $state.raw<Request[]>([])
  job = $state.raw<Job | null>(null)
  /** Prices that wait for an answer, and the one that is being answered. */
  offers = $state.raw<Offer[]>([])
  answering = $state.raw<Offer | null>(null)

  readonly loading = new Attempt()
  readonly opening = new Attempt()
  private turn = 0

  /** Begin: read the address, follow the browser's way back, ask again from time to time. Returns how to stop. */
  start(): () => void {
    this.read()
    void this.loading.run('', async () => (this.home = await api.get('/api/portal')))
    const read = () => this.read()
    const again = () => document.visibilityState === 'visible' && void this.refresh()
    addEventListener('popstate', read)
    document.addEventListener('visibilitychange', again)
    const timer = setInterval(again, AGAIN_MS)
    return () => {
      removeEventListener('popstate', read)
      document.removeEventListener('visibilitychange', again)
      clearInterval(timer)
    }
  }

  address(part: Part, job: string | null = null): string {
    return `?${new URLSearchParams({ part, ...(job ? { job } : {}) })}`
  }

  open(part: Part, job: string | null = null): void {
    history.pushState(null, '', this.address(part, job))
    this.read()
  }

  showJobsOf(machine: Machine | null): void {
    this.machine = machine
    this.jobs = null
    this.open('jobs')
  }

  showOver(isOver: boolean): void {
    this.isOver = isOver
    this.jobs = null
    this.open('jobs')
  }

  /** Ask for prices, the list and the open job again; what is shown stays until the answer is there. */
  async refresh(): Promise<void> {
    const lists = this.part === 'jobs' ? [this.loadJobs(), this.loadJob()] : []
    await Promise.all([...lists, this.loadOffers()])
  }

  async loadOffers(): Promise<void> {
    try {
      this.offers = (await api.get('/api/portal/prices', { query: { lang: currentLanguage() } })).items
    } catch (error) {
      this.loading.problem = error
    }
  }

  async loadJobs(): Promise<void> {
    const turn = ++this.turn
    const asset = this.machine ? { asset_id: this.machine.id } : {}
    try {
      const [page, fresh] = await Promise.all([
        api.get('/api/portal/jobs', { query: { is_open: !this.isOver, ...asset } }),
        this.isOver ? { items: [] } : api.get('/api/service-requests', { query: { status: 'new', limit: 50, ...asset } }),
      ])
      if (turn !== this.turn) return
      this.jobs = page.items
      this.next = page.next
      this.requests = [...fresh.items].reverse()
      this.loading.problem = null
    } catch (error) {
      if (turn === this.turn) this.loading.problem = error
    }
  }

  async loadMore(): Promise<void> {
    const after = this.next
    if (!after) return
    const asset = this.machine ? { asset_id: this.machine.id } : {}
    const { turn } = this
    await this.loading.run('', async () => {
      const page = await api.get('/api/portal/jobs', { query: { is_open: !this.isOver, after, ...asset } })
      if (turn !== this.turn) return // another list is shown by now, or this one from its beginning
      this.jobs = [...(this.jobs ?? []), ...page.items]
      this.next = page.next
    })
  }

  async loadJob(): Promise<void> {
    const id = this.jobId
    if (!id) return
    try {
      const found = await api.get('/api/portal/jobs/{work_order_id}', { path: { work_order_id: id } })
      if (this.jobId !== id) return
      this.job = found
      this.opening.problem = null
    } catch (error) {
      if (this.jobId === id) this.opening.problem = error
    }
  }

  private read(): void {
    const asked = new URLSearchParams(location.search)
    this.part = parts.find((one) => one === asked.get('part')) ?? 'jobs'
    const job = asked.get('job')
    if (job !== this.jobId) this.job = null
    this.jobId = job
    this.opening.problem = null
    void this.refresh()
  }
}

export const portal = new Portal()
