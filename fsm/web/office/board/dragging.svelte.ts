// Dragging a visit, its end or a waiting job over the timeline: what would come of the drop is fetched while it
// hangs there. Shift keeps the time, Alt keeps the technician, Ctrl snaps to 5 minutes, Escape lets go of it.
// Keys do the same to a visit's end: Shift and an arrow move it, Enter drops it.
import { announce } from '$common/announce.svelte.ts'
import { t } from '$common/messages.ts'
import { clock, length } from '$common/times.ts'

import { spanOf, type Axis } from './axis.ts'
import { board, isMovable, type Job, type Preview, type Target, type Visit } from './board.svelte.ts'
import { tellOf } from './consequences.ts'
import { until } from './placing.svelte.ts'

const FAR_PX = 5
const CALM_MS = 120
const MINUTE_MS = 60_000
/** The end of a bar that is taken to change its length; a finger needs more. A short bar keeps room to be moved by. */
const EDGE_PX = { mouse: 9, touch: 16 }

type Handlers = { [Name in keyof WindowEventMap]?: (event: WindowEventMap[Name]) => void }

export class Dragging {
  axis: Axis | null = null
  pane: HTMLElement | null = null

  ghost = $state.raw<{ x: number; y: number; number: string } | null>(null)
  target = $state.raw<Target | null>(null)
  preview = $state.raw<Preview | null>(null)
  /** Whether a visit's end is what moves, and by keys. */
  stretches = $state(false)
  byKeys = $state(false)
  said = $derived.by(() => {
    const { target } = this
    if (!target) return t('board.drag_nowhere')
    if (this.stretches) {
      const to = Date.parse(target.ends_at!)
      return t('board.lasts', { length: length((to - Date.parse(target.starts_at)) / 1000), clock: clock(to, board.zone) })
    }
    return `${board.technicians.get(target.technician_id)?.name ?? ''}, ${clock(target.starts_at, board.zone)}`
  })

  private stop: (() => void) | null = null
  private asking: AbortController | null = null
  private calm: ReturnType<typeof setTimeout> | undefined

  begin(event: PointerEvent, what: Visit | Job): void {
    if (this.byKeys) this.end()
    if (event.button !== 0 || this.stop) return
    const visit = 'id' in what ? what : null
    if (visit && !isMovable(visit)) return
    const from = { x: event.clientX, y: event.clientY }
    const bar = (event.currentTarget as HTMLElement).getBoundingClientRect()
    const grip = visit ? event.clientX - bar.left : 0
    const edge = Math.min(EDGE_PX[event.pointerType === 'touch' ? 'touch' : 'mouse'], bar.width / 3)
    this.stretches = visit !== null && bar.right - event.clientX < edge
    this.hear({
      pointermove: (now) => {
        if (!this.ghost && Math.hypot(now.clientX - from.x, now.clientY - from.y) < FAR_PX) return
        this.ghost = { x: now.clientX, y: now.clientY, number: what.number }
        this.point(this.stretches ? this.stretched(now, visit!, bar.right - from.x) : this.aimed(now, what, visit, grip))
      },
      pointerup: () => {
        if (this.ghost === null) return this.end()
        // The click that follows a drag selects nothing.
        addEventListener('click', (click) => click.stopPropagation(), { capture: true, once: true })
        setTimeout(() => dispatchEvent(new Event('click')), 0)
        this.drop()
      },
      pointercancel: () => this.end(),
      keydown: (pressed) => {
        if (pressed.key !== 'Escape') return
        pressed.stopPropagation()
        this.end()
      },
    })
  }

  /** Let a visit's end hang so many minutes later, at first from where it is. */
  stretch(visit: Visit, minutes: number, bar: HTMLElement): void {
    if (!isMovable(visit) || (this.stop && !this.byKeys)) return
    if (!this.stop) {
      this.stretches = this.byKeys = true
      this.hear({
        keydown: (pressed) => {
          if (pressed.key !== 'Escape' && pressed.key !== 'Enter') return
          pressed.preventDefault()
          pressed.stopPropagation()
          if (pressed.key === 'Enter') this.drop()
          else this.end()
        },
        focusout: () => this.end(),
      })
    }
    const { from, to } = spanOf(visit)
    const step = minutes * MINUTE_MS
    const end = this.target ? Date.parse(this.target.ends_at!) : to
    // To the next mark of the clock, then from mark to mark.
    const next = step > 0 ? Math.floor(end / step) * step + step : Math.ceil(end / -step) * -step + step
    const { right, bottom } = bar.getBoundingClientRect()
    this.ghost = { x: right, y: bottom - 10, number: visit.number }
    this.point(until(visit, Math.max(from + Math.abs(step), next)))
    announce(this.said)
  }

  private hear(handlers: Handlers): void {
    const heard = Object.entries(handlers) as [string, EventListener][]
    for (const [name, handler] of heard) addEventListener(name, handler, { capture: true })
    this.stop = () => {
      for (const [name, handler] of heard) removeEventListener(name, handler, { capture: true })
    }
  }

  private aimed(now: PointerEvent, what: Visit | Job, visit: Visit | null, grip: number): Target | null {
    const under = document.elementFromPoint(now.clientX, now.clientY)
    const row = under?.closest<HTMLElement>('[data-technician]')
    const track = row?.querySelector<HTMLElement>('[data-track]')?.getBoundingClientRect()
    if (!row || !track || !this.axis || now.clientX < track.left) return null
    const free = this.axis.instant(((now.clientX - grip - track.left) / track.width) * 100)
    const start = visit && now.shiftKey ? Date.parse(visit.starts_at) : snapped(free, now)
    const technician = visit && now.altKey ? visit.technician_id : row.dataset.technician!
    const lasts = visit ? Date.parse(visit.ends_at) - Date.parse(visit.starts_at) : null
    return {
      work_order_id: what.work_order_id,
      technician_id: technician,
      starts_at: new Date(start).toISOString(),
      visit_id: visit?.id ?? null,
      rev: visit?.rev ?? null,
      ends_at: lasts === null ? null : new Date(start + lasts).toISOString(),
    }
  }

  /** Along its own row, wherever the pointer goes up and down. */
  private stretched(now: PointerEvent, visit: Visit, grip: number): Target | null {
    const row = this.pane?.querySelector(`[data-technician="${visit.technician_id}"] [data-track]`)
    const track = row?.getBoundingClientRect()
    if (!track || !this.axis) return null
    const free = this.axis.instant(((now.clientX + grip - track.left) / track.width) * 100)
    return until(visit, Math.max(spanOf(visit).from + snapOf(now), snapped(free, now)))
  }

  private point(target: Target | null): void {
    const was = this.target
    if (target?.technician_id === was?.technician_id && target?.starts_at === was?.starts_at && target?.ends_at === was?.ends_at) return
    this.target = target
    this.preview = null
    this.asking?.abort()
    clearTimeout(this.calm)
    if (!target) return
    this.calm = setTimeout(async () => {
      const asking = (this.asking = new AbortController())
      try {
        const preview = await board.preview(target, asking.signal)
        if (asking.signal.aborted) return
        this.preview = preview
        if (this.byKeys) announce(`${this.said}. ${tellOf(preview)}`)
      } catch {
        // Without a preview the drop opens the dialog, which says what is wrong.
      }
    }, CALM_MS)
  }

  private drop(): void {
    const { target, preview } = this
    this.end()
    if (!target) return
    if (preview && !preview.is_refused && !preview.asks_reason) {
      void board.place(target, null)
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
    this.stretches = this.byKeys = false
  }
}

function snapOf(now: PointerEvent): number {
  return (now.ctrlKey ? 5 : 15) * MINUTE_MS
}

function snapped(instant: number, now: PointerEvent): number {
  return Math.round(instant / snapOf(now)) * snapOf(now)
}
