// How near one looks at a map, and where: by buttons, wheel, dragging and keys.
import { announce } from '$common/announce.svelte.ts'
import { number, t } from '$common/messages.ts'

const MOST = 64
/** So far what lies at the edge can be brought in, though all of it is seen. */
const SLACK_PX = 80
const STEP_PX = 80
/** How far a wheel's event counts at most, and how far it turns until the map is 2.7 times as near. */
const FASTEST_PX = 100
const EASE_PX = 450

export class Closeness {
  width = $state(600)
  height = $state(400)
  zoom = $state(1)
  /** How far it is moved from the middle. */
  x = $state(0)
  y = $state(0)

  /** Nearer or farther by a factor; the point of the pane that is meant stays where it is, else the middle. */
  by(factor: number, px = this.width / 2, py = this.height / 2): void {
    const zoom = Math.min(MOST, Math.max(1, this.zoom * factor))
    const real = zoom / this.zoom
    const [fromX, fromY] = [px - this.width / 2, py - this.height / 2]
    this.zoom = zoom
    this.to(fromX - real * (fromX - this.x), fromY - real * (fromY - this.y))
  }

  /** The same by a button or a key: said, as a wheel's many are not. */
  step(factor: number): void {
    this.by(factor)
    announce(t('map.zoomed', { share: number(this.zoom, { style: 'percent', maximumFractionDigits: 0 }) }))
  }

  whole(): void {
    this.zoom = 1
    this.to(0, 0)
    announce(t('map.zoomed', { share: number(1, { style: 'percent' }) }))
  }

  /** Look farther to one side, in steps. */
  look(east: number, south: number): void {
    this.to(this.x - east * STEP_PX, this.y - south * STEP_PX)
  }

  to(x: number, y: number): void {
    const far = (size: number) => ((this.zoom - 1) * size) / 2 + SLACK_PX
    this.x = Math.max(-far(this.width), Math.min(far(this.width), x))
    this.y = Math.max(-far(this.height), Math.min(far(this.height), y))
  }

  /** Bring a place into sight, if it is not. */
  show(x: number, y: number): void {
    const inside = (at: number, size: number) => Math.max(40, Math.min(size - 40, at)) - at
    this.to(this.x + inside(x + this.x, this.width), this.y + inside(y + this.y, this.height))
  }

  /** A list that lies on the map is turned, not the map. */
  onwheel = (event: WheelEvent): void => {
    if ((event.target as Element).closest('section')) return
    event.preventDefault()
    if (!event.deltaY) return
    const pane = (event.currentTarget as HTMLElement).getBoundingClientRect()
    const turned = Math.max(-FASTEST_PX, Math.min(FASTEST_PX, event.deltaY))
    this.by(Math.exp(-turned / EASE_PX), event.clientX - pane.left, event.clientY - pane.top)
  }

  /** What is taken beside the marks moves all of it. */
  onpointerdown = (event: PointerEvent): void => {
    const pane = event.currentTarget as HTMLElement
    if (event.button !== 0 || !event.isPrimary || (event.target as Element).closest('button, section')) return
    const [fromX, fromY] = [event.clientX - this.x, event.clientY - this.y]
    const move = (now: PointerEvent) => now.pointerId === event.pointerId && this.to(now.clientX - fromX, now.clientY - fromY)
    const end = () => {
      pane.removeEventListener('pointermove', move)
      pane.removeEventListener('pointerup', end)
      pane.removeEventListener('pointercancel', end)
    }
    pane.setPointerCapture(event.pointerId)
    pane.addEventListener('pointermove', move)
    pane.addEventListener('pointerup', end)
    pane.addEventListener('pointercancel', end)
  }

  /** Whether the key was one for this: + − 0, and Shift with arrows. */
  heard(event: KeyboardEvent): boolean {
    const { key, shiftKey } = event
    const moves: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
    if (shiftKey && moves[key]) this.look(...moves[key])
    else if (key === '+' || key === '=') this.step(1.5)
    else if (key === '-') this.step(1 / 1.5)
    else if (key === '0') this.whole()
    else return false
    return true
  }
}
