// A placement that is typed: what comes of it is fetched when the typing rests, and then it is done or refused.
import { sentenceOf } from '../shell/saying.ts'
import { board, type Preview, type Target, type Visit } from './board.svelte.ts'

const CALM_MS = 200

export class Placing {
  preview = $state.raw<Preview | null>(null)
  reason = $state('')
  problem = $state('')
  private isBusy = $state(false)
  mayGo = $derived(
    this.preview !== null && !this.preview.is_refused && (!this.preview.asks_reason || this.reason.trim() !== '') && !this.isBusy,
  )

  /** `wanted`: null while nothing can be asked. */
  constructor(private readonly wanted: () => Target | null) {
    $effect(() => {
      const asked = wanted()
      this.preview = null
      this.problem = ''
      if (!asked) return
      const asking = new AbortController()
      const calm = setTimeout(async () => {
        try {
          this.preview = await board.preview(asked, asking.signal)
        } catch (error) {
          if (!asking.signal.aborted) this.problem = sentenceOf(error)
        }
      }, CALM_MS)
      return () => {
        clearTimeout(calm)
        asking.abort()
      }
    })
  }

  /** Put it there, if that may be. Returns whether it was done. */
  async go(): Promise<boolean> {
    const target = this.wanted()
    if (!this.mayGo || !target) return false
    this.isBusy = true
    const worked = await board.place(target, this.preview?.asks_reason ? this.reason.trim() : null)
    this.isBusy = false
    if (!worked) this.problem = board.notice?.text ?? ''
    return worked
  }
}

/** The visit where it is, but until another instant. */
export function until(visit: Visit, end: number): Target {
  const { work_order_id, technician_id, starts_at, id, rev } = visit
  return { work_order_id, technician_id, starts_at, visit_id: id, rev, ends_at: new Date(end).toISOString() }
}
