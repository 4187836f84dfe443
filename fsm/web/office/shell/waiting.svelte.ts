// How much waits for a decision at the desk, for the menu of every page.
import { api, session } from './start.ts'

const AGAIN_MS = 60_000

class Waiting {
  count = $state(0)

  /** Ask now and from time to time while the page is looked at. Returns how to stop. */
  start(): (() => void) | undefined {
    if (!session.may('edit_work_orders') || session.isCustomer) return undefined
    const ask = () => document.visibilityState === 'visible' && void this.ask()
    ask()
    document.addEventListener('visibilitychange', ask)
    const timer = setInterval(ask, AGAIN_MS)
    return () => {
      document.removeEventListener('visibilitychange', ask)
      clearInterval(timer)
    }
  }

  /** Ask now; the number stays as it was where no answer comes. */
  async ask(): Promise<void> {
    try {
      this.count = (await api.get('/api/reviews/waiting')).count
    } catch {
      // The page itself says that the line is lost; the number stays as it was.
    }
  }
}

export const waiting = new Waiting()
