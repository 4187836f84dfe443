// The windows of one board at one desk: the queue may stand in a window of its own, on a second screen. What is
// selected in one is selected in the others, and the day is the same.
export interface Selected {
  visit: string | null
  job: string | null
  technician: string | null
}

export type Said =
  | { kind: 'selected'; selected: Selected }
  | { kind: 'shown'; day: string; span: number }
  | { kind: 'queue'; isOpen: boolean }
  | { kind: 'hello' }

const channel = new BroadcastChannel('fsm.board')

/** Whether this window holds the queue alone. */
export const isQueueWindow = new URLSearchParams(location.search).get('pane') === 'queue'

export function tell(said: Said): void {
  channel.postMessage(said)
}

/** Hear the other windows until the returned function is called. */
export function hear(listener: (said: Said) => void): () => void {
  const heard = (event: MessageEvent<Said>) => listener(event.data)
  channel.addEventListener('message', heard)
  const gone = () => isQueueWindow && tell({ kind: 'queue', isOpen: false })
  addEventListener('pagehide', gone)
  tell(isQueueWindow ? { kind: 'queue', isOpen: true } : { kind: 'hello' })
  return () => {
    channel.removeEventListener('message', heard)
    removeEventListener('pagehide', gone)
    gone()
  }
}

/** Open the queue in its own window, or bring that one to the front. */
export function openQueue(): void {
  open(`${location.pathname}?pane=queue`, 'fsm-queue', 'popup,width=520,height=900')
}
