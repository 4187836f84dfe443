// Marks of a map that would lie over each other, drawn beside each other: a few fanned out, many as one to open.

const MARK_PX = 32
const PITCH_PX = MARK_PX + 3
/** Nearer than this they would cover each other. */
const NEAR_PX = MARK_PX + 1
/** More than these at one place are listed. */
const MOST_FANNED = 9

export interface Spot {
  x: number
  y: number
}

export interface Heap<T> {
  /** The one at whose place it lies. */
  key: string
  x: number
  y: number
  all: T[]
}

/** Marks where each is drawn, and the heaps that are too many to be drawn; both from west to east. */
export function fanned<T extends Spot & { key: string }>(marks: T[]): { fans: { mark: T; x: number; y: number }[]; heaps: Heap<T>[] } {
  const fans: { mark: T; x: number; y: number }[] = []
  const heaps: Heap<T>[] = []
  for (const heap of heaped(marks)) {
    const { x, y, all } = heap
    if (all.length > MOST_FANNED) heaps.push(heap)
    else {
      const across = Math.ceil(Math.sqrt(all.length))
      const down = Math.ceil(all.length / across)
      all.forEach((mark, n) => {
        const column = (n % across) - (Math.min(across, all.length) - 1) / 2
        const row = Math.floor(n / across) - (down - 1) / 2
        fans.push({ mark, x: x + column * PITCH_PX, y: y + row * PITCH_PX })
      })
    }
  }
  const byPlace = (a: Spot, b: Spot) => a.x - b.x || a.y - b.y
  return { fans: fans.sort(byPlace), heaps: heaps.sort(byPlace) }
}

/** Each with the first one that it would cover. Looked for in squares, so that hundreds take no time. */
function heaped<T extends Spot & { key: string }>(marks: T[]): Heap<T>[] {
  const squares = new Map<string, Heap<T>[]>()
  const heaps: Heap<T>[] = []
  for (const mark of marks) {
    const [column, row] = [Math.floor(mark.x / NEAR_PX), Math.floor(mark.y / NEAR_PX)]
    const around = [-1, 0, 1].flatMap((dx) => [-1, 0, 1].flatMap((dy) => squares.get(`${column + dx} ${row + dy}`) ?? []))
    const heap = around.find((one) => Math.max(Math.abs(one.x - mark.x), Math.abs(one.y - mark.y)) < NEAR_PX)
    if (heap) heap.all.push(mark)
    else {
      const made = { key: mark.key, x: mark.x, y: mark.y, all: [mark] }
      heaps.push(made)
      const square = `${column} ${row}`
      squares.set(square, [...(squares.get(square) ?? []), made])
    }
  }
  return heaps
}
