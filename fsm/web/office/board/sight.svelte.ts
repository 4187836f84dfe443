// What of a long pane lies in sight or close to it: the rest of its rows is drawn once it comes near.

const NEAR_PX = 80
/** Once somebody scrolls, so far ahead. The first picture needs none of it. */
const AHEAD_PX = 400

export class Sight {
  /** For the pane to bind its `clientHeight` to; what is known of it before makes the first picture one piece of work. */
  height = $state(0)
  private at = $state(0)
  private ahead = $state(NEAR_PX)

  from = $derived(this.at - this.ahead)
  to = $derived(this.at + this.height + this.ahead)

  constructor(height = 0) {
    this.height = height
  }

  onscroll = (event: Event): void => {
    // In steps, so that not every pixel makes others work.
    this.at = Math.round((event.currentTarget as HTMLElement).scrollTop / NEAR_PX) * NEAR_PX
    this.ahead = AHEAD_PX
  }
}

/** Of a list whose rows are all `height` high those near what is seen, each with how many are left out before it. */
export function near<T>(all: T[], height: number, sight: Sight, isHeld: (one: T) => boolean): { one: T; at: number; gap: number }[] {
  let next = 0
  return all
    .map((one, at) => ({ one, at }))
    .filter(({ one, at }) => ((at + 1) * height > sight.from && at * height < sight.to) || isHeld(one))
    .map((each) => {
      const gap = each.at - next
      next = each.at + 1
      return { ...each, gap }
    })
}
