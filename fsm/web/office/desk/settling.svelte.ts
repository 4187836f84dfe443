// Settling by the page's hand: what was typed stays when it is refused, and who was second is told who was first.
import { announce } from '$common/announce.svelte.ts'
import { Problem } from '$common/api.ts'
import { t } from '$common/messages.ts'

import { PassingAttempt } from '../shell/attempt.svelte.ts'
import { api, session } from '../shell/start.ts'
import { reviews } from './reviews.svelte.ts'

export class Settling extends PassingAttempt {
  constructor(
    /** As it was opened; by the time that an answer comes another one may be open. */
    private readonly id: string,
    private readonly onsettled: () => void,
  ) {
    super()
  }

  /** Note what was made of it; a colleague's note that stands already is shown instead. */
  async note(settlement: string, before?: () => Promise<unknown>): Promise<void> {
    let isOurs = false
    await this.decide(async () => {
      await before?.()
      const now = await api.post('/api/reviews/{review_id}/settlement', { path: { review_id: this.id }, body: { settlement } })
      isOurs = now.settled_by_name === session.name && now.settlement === settlement
    }, () => isOurs)
  }

  /** Do what settles it at the server. `isDone` says whether nobody was quicker. */
  async decide(work: () => Promise<unknown>, isDone: () => boolean = () => true): Promise<void> {
    const worked = await this.run('', work)
    if (worked && isDone()) {
      announce(t('review.settled'))
      this.onsettled()
      return
    }
    // Refused, or noted before us: perhaps because a colleague has settled it.
    if (worked || this.problem instanceof Problem) await reviews.reread(this.id).catch(() => null)
  }
}
