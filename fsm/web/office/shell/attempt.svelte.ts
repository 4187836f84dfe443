// How something is tried: said when it worked, kept beside what was typed and told when not.
import { untrack } from 'svelte'

import { announce } from '$common/announce.svelte.ts'
import { Problem } from '$common/api.ts'

import { sentenceOf } from './saying.ts'

export class Attempt {
  problem = $state.raw<unknown>(null)
  isBusy = $state(false)
  /** For the requests of what is tried; nobody waits for it any more once it is aborted. */
  readonly signal?: AbortSignal
  sentence = $derived(this.problem === null ? '' : sentenceOf(this.problem))

  /** The server's word on one field: `/name`. */
  at(pointer: string): string | undefined {
    return this.problem instanceof Problem ? this.problem.at(pointer) : undefined
  }

  /** Do something; say `said` when it worked. Returns whether it did. */
  async run(said: string, work: () => Promise<unknown>): Promise<boolean> {
    // Whoever tries from an effect does not wait for another try.
    if (untrack(() => this.isBusy)) return false
    this.isBusy = true
    this.problem = null
    try {
      await work()
      if (said) this.say(said)
      return true
    } catch (error) {
      if (this.signal?.aborted) return false
      this.problem = error
      announce(sentenceOf(error))
      return false
    } finally {
      this.isBusy = false
    }
  }

  protected say(text: string): void {
    announce(text)
  }
}

/** Asked again whenever something else is wanted: the last question counts, its answer alone is shown. */
export class LatestAttempt extends Attempt {
  private asking = new AbortController()

  constructor() {
    super()
    $effect(() => () => this.asking.abort())
  }

  /** Ask; an answer that is still on its way to what was asked before is given up. */
  async ask(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    this.asking.abort()
    const mine = (this.asking = new AbortController())
    this.isBusy = true
    this.problem = null
    try {
      await work(mine.signal)
    } catch (error) {
      if (mine.signal.aborted) return
      this.problem = error
      announce(sentenceOf(error))
    } finally {
      if (this.asking === mine) this.isBusy = false
    }
  }
}

/** Tried by something shown, as long as it is shown. */
export class PassingAttempt extends Attempt {
  private readonly stopping = new AbortController()
  override readonly signal = this.stopping.signal

  constructor() {
    super()
    $effect(() => () => this.stopping.abort())
  }
}
