// What may come a frame later: whoever clicks sees at once that the click was heard, and then what comes of it.
import { untrack } from 'svelte'

/** Do something once what has just changed is painted. Returns how to leave it. */
export function afterPaint(work: () => void): () => void {
  let next: ReturnType<typeof setTimeout> | undefined
  const frame = requestAnimationFrame(() => (next = setTimeout(work)))
  return () => {
    cancelAnimationFrame(frame)
    clearTimeout(next)
  }
}

/** What `read` says, following it a frame behind. For what is much to draw. */
export class Behind<T> {
  now: T

  constructor(read: () => T) {
    this.now = $state.raw(untrack(read))
    $effect(() => {
      const next = read()
      return untrack(() => this.now) === next ? undefined : afterPaint(() => (this.now = next))
    })
  }
}
