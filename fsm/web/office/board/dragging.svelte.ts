// Dragging a visit or a waiting job over the timeline: what would come of the drop is fetched while it hangs
// there. Shift keeps the time, Alt keeps the technician, Ctrl snaps to 5 minutes, Escape lets go of it.
import { announce } from '$common/announce.svelte.ts'
import { t } from '$common/messages.ts'
import { clock } from '$common/times.ts'

import type { Axis } from './axis.ts'
import { board, isMovable, type Job, type Preview, type Target, type Visit } from './board.svelte.ts'

const FAR_PX = 5
const CALM_MS = 120
const MINUTE_MS = 60_000

export class Dragging {
  axis: Axis | null = null
  pane: HTMLElement | null = null

  ghost = $state.raw<{ x: number; y: number; number: string } | null>(null)
  target = $state.raw<Target | null>(null)
  preview = $state.raw<Preview | null>(null)
  said = $derived.by(() => {
    if (!this.target) return t('board.drag_nowhere')
    const name = board.technicians.get(this.target.technician_id)?.name ?? ''
    return `${name}, ${clock(this.target.starts_at, board.zone)}`
  })

  private stop: (() => void) | null = null
  private asking: AbortController | null = null
  private calm: ReturnType<typeof setTimeout> | undefined

  begin(event: PointerEvent, what: Visit | Job): void {
    if (event.button !== 0 || this.stop) return
    const visit = 'id' in what ? what : null
    if (visit && !isMovable(visit)) return
    const from = { x: event.clientX, y: event.clientY }
    const source = event.currentTarget as HTMLElement
    const grip = visit ? event.clientX - source.getBoundingClientRect().left : 0
    const move = (now: PointerEvent) => {
      if (!this.ghost && Math.hypot(now.clientX - from.x, now.clientY - from.y) < FAR_PX) return
      this.ghost = { x: now.clientX, y: now.clientY, number: what.number }
      this.aim(now, what, visit, grip)
    }
    const up = () => {
      const isDragged = this.ghost !== null
      const { target, preview } = this
      this.end()
      if (!isDragged) return
      // The click that follows a drag selects nothing.
      addEventListener('click', (click) => click.stopPropagation(), { capture: true, once: true })
      setTimeout(() => dispatchEvent(new Event('click')), 0)
      if (target) void this.drop(target, preview)
    }
    const key = (pressed: KeyboardEvent) => {
      if (pressed.key === 'Escape') this.end()
    }
    const cancel = () => this.end()
    addEventListener('pointermove', move)
    addEventListener('pointerup', up)
    addEventListener('pointercancel', cancel)
    addEventListener('keydown', key)
    this.stop = () => {
      removeEventListener('pointermove', move)
      removeEventListener('pointerup', up)
      removeEventListener('pointercancel', cancel)
      removeEventListener('keydown', key)
    }
  }

  private aim(now: PointerEvent, what: Visit | Job, visit: Visit | null, grip: number): void {
    const under = document.elementFromPoint(now.clientX, now.clientY)
    const row = under?.closest<HTMLElement>('[data-technician]')
    const track = row?.querySelector<HTMLElement>('[data-track]')?.getBoundingClientRect()
    if (!row || !track || !this.axis || now.clientX < track.left) return this.point(null)
    const snap = (now.ctrlKey ? 5 : 15) * MINUTE_MS
    const free = this.axis.instant(((now.clientX - grip - track.left) / track.width) * 100)
    const start = visit && now.shiftKey ? Date.parse(visit.starts_at) : Math.round(free / snap) * snap
    const technician = visit && now.altKey ? visit.technician_id : row.dataset.technician!
    const length = visit ? Date.parse(visit.ends_at) - Date.parse(visit.starts_at) : null
    this.point({
      work_order_id: what.work_order_id,
      technician_id: technician,
      starts_at: new Date(start).toISOString(),
      visit_id: visit?.id ?? null,
      rev: visit?.rev ?? null,
      ends_at: length === null ? null : new Date(start + length).toISOString(),
    })
  }

  private point(target: Target | null): void {
    const same = target?.technician_id === this.target?.technician_id && target?.starts_at === this.target?.starts_at
    if (same) return
    this.target = target
    this.preview = null
    this.asking?.abort()
    clearTimeout(this.calm)
    if (!target) return
    this.calm = setTimeout(async () => {
      const asking = (this.asking = new AbortController())
      try {
        const preview = await board.preview(target, asking.signal)
        if (!asking.signal.aborted) this.preview = preview
      } catch {
        // Without a preview the drop opens the dialog, which says what is wrong.
      }
    }, CALM_MS)
  }

  private async drop(target: Target, preview: Preview | null): Promise<void> {
    if (preview && !preview.is_refused && !preview.asks_reason) {
      await board.place(target, null)
      return
    }
    announce(t('board.drop_asks'))
    board.moving = target
  }

  private end(): void {
    this.stop?.()
    this.stop = null
    clearTimeout(this.calm)
    this.asking?.abort()
    this.ghost = null
    this.target = null
    this.preview = null
  }
}
