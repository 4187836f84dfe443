// What we did to visits, so that it can be undone: only as we left them, never over what another did meanwhile.
import { t } from '$common/messages.ts'

import { api } from '../shell/start.ts'
import type { Visit } from './board.svelte.ts'

/** A visit as it was when we changed it last. */
export interface Held {
  id: string
  rev: number
}

export class OurVisits {
  private readonly known = new Map<string, Held>()

  /** Only as it was seen: what another moved meanwhile stays. */
  withdraw({ id, rev }: Held, reason: string) {
    return api.post('/api/visits/{visit_id}/withdrawal', { path: { visit_id: id }, body: { reason, rev } })
  }

  /** Put a visit where it was: the one that is `held`, or a new one in its place. */
  async putBack(before: Visit, held: Held | null): Promise<Held> {
    const { work_order_id, technician_id, starts_at, ends_at } = before
    const of = held && { visit_id: held.id, rev: held.rev }
    return this.hold(before.id, await api.post('/api/board/placements', {
      body: { work_order_id, technician_id, starts_at, ends_at, reason: t('undo'), ...of },
    }))
  }

  /** Plan what a visit was anew, on the phone if it was there, and those of its crew who came with it. */
  async putAllBack(before: Visit, mates: Visit[]): Promise<void> {
    const held = await this.putBack(before, null)
    const { id } = held
    if (before.status !== 'planned') {
      for (const one of await api.post('/api/visits/dispatching', { body: { visit_ids: [id] } })) this.hold(one.id, one)
    }
    const { is_pinned, window_starts_at, window_ends_at } = before
    const promised = window_starts_at && window_ends_at ? { window_starts_at, window_ends_at, window_reason: t('undo') } : {}
    if (is_pinned || window_starts_at) {
      const body = { rev: held.rev, is_pinned, ...promised }
      this.hold(id, await api.patch('/api/visits/{visit_id}', { path: { visit_id: id }, body }))
    }
    if (mates.length === 0) return
    const technician_ids = mates.map((one) => one.technician_id)
    const { joined, bound } = await api.post('/api/board/crews', { body: { visit_id: id, technician_ids, reason: t('undo') } })
    for (const one of bound) this.hold(one.id, one)
    for (const one of joined) this.hold(mates.find((mate) => mate.technician_id === one.technician_id)?.id, one)
  }

  /** What our last change made of a visit. All that is undone of it goes by this, also when it was planned anew. */
  hold(was: string | null | undefined, { id, rev }: Held): Held {
    const held = this.known.get(was ?? id) ?? { id, rev }
    this.known.set(was ?? id, held).set(id, held)
    return Object.assign(held, { id, rev })
  }

  /** What another changed since our last change: what we did before that is not undone over theirs. */
  leaveToOthers({ id, rev }: Held): void {
    if (this.known.get(id)?.rev !== rev) this.known.delete(id)
  }

  /** Those who joined `visit` stay away again, and its job takes as many people as it did, unless that was changed since. */
  async leave(visit: Visit, joined: Held[], raised: number): Promise<void> {
    await this.withdrawAll(joined)
    if (raised === visit.crew_size) return
    const path = { work_order_id: visit.work_order_id }
    const { rev, crew_size } = await api.get('/api/work-orders/{work_order_id}', { path })
    if (crew_size === raised) await api.patch('/api/work-orders/{work_order_id}', { path, body: { rev, crew_size: visit.crew_size } })
  }

  /** Each that nobody changed; then the first that cannot be is told. */
  async withdrawAll(visits: Held[]): Promise<void> {
    const refusals: unknown[] = []
    for (const one of visits) await this.withdraw(one, t('undo')).catch((error: unknown) => refusals.push(error))
    if (refusals.length) throw refusals[0]
  }
}
