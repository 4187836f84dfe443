// Rings and arrows beside a photo, as fsm/work_orders/photo_marks.py has them.

export interface Mark {
  kind: 'ring' | 'arrow'
  /** In parts of the width and of the height: a ring's centre, an arrow's point. */
  x: number
  y: number
  /** A ring's diameter or an arrow's length, in parts of the longer side. */
  size: number
  /** Where an arrow comes from, in degrees clockwise from above. */
  angle: number
}

export const MOST_MARKS = 20
export const SIZES = { least: 0.02, most: 1 }

const HEAD = 0.3

/** The line of a mark over a picture of so many pixels, as an SVG path. */
export function lineOf({ kind, x, y, size, angle }: Mark, width: number, height: number): string {
  const [at, longer] = [[x * width, y * height] as const, Math.max(width, height)]
  if (kind === 'ring') {
    const radius = (size * longer) / 2
    const half = (side: number) => `a${radius} ${radius} 0 1 0 ${side * 2 * radius} 0`
    return `M${at[0] - radius} ${at[1]}${half(1)}${half(-1)}z`
  }
  const end = (length: number, turned: number) => {
    const direction = ((angle + turned) * Math.PI) / 180
    return `${at[0] + length * longer * Math.sin(direction)} ${at[1] - length * longer * Math.cos(direction)}`
  }
  return `M${end(size, 0)}L${at.join(' ')}M${end(size * HEAD, -35)}L${at.join(' ')}L${end(size * HEAD, 35)}`
}
