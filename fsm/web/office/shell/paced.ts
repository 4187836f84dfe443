// Reading a list anew: one reading at a time, and no oftener than somebody can follow where only hints ask for it.

const APART_MS = 3_000

export class Paced {
  private running: Promise<void> | null = null
  private following: Promise<void> | null = null
  private waiting: ReturnType<typeof setTimeout> | undefined
  private begun = 0

  /** `read` says itself what went wrong; it never throws. */
  constructor(private readonly read: () => Promise<void>) {}

  /** Read; who asks during a reading waits for one that begins after it. */
  now(): Promise<void> {
    if (this.running) {
      return (this.following ??= this.running.then(() => {
        this.following = null
        return this.now()
      }))
    }
    this.stop()
    this.begun = Date.now()
    return (this.running = this.read().finally(() => (this.running = null)))
  }

  /** Something has changed, perhaps: while much happens that is heard every second. */
  soon(): void {
    this.waiting ??= setTimeout(() => void this.now(), Math.max(0, this.begun + APART_MS - Date.now()))
  }

  /** What only hints asked for is not read any more. */
  stop(): void {
    clearTimeout(this.waiting)
    this.waiting = undefined
  }
}
