// What makes a dialog modal, by hand. `showModal` makes all the rest of a page inert, for which the browser works
// out the style of each of its thousands of elements anew, when it opens and when it closes. Here the dialog lies
// in the top layer on a veil that takes the clicks, says `aria-modal`, and the focus stays in it. Some readers leave
// `aria-modal` to the browser and some browsers to the reader: what lies beside the dialog is hidden from both.

const CAN_HAVE_FOCUS = 'a[href], button, input, select, textarea, summary, [tabindex]'

/** The veils that are open: the last one holds the focus. */
const open: HTMLElement[] = []

/** What lies beside the last one, hidden from readers. */
let hidden: Element[] = []

/** Hears the Escape key and, on a phone, the gesture that goes back. Not every browser has it. */
declare const CloseWatcher: (new () => EventTarget & { destroy(): void }) | undefined

/** Open a veil with its dialog; returns how to close it. The focus goes back to where it was. */
export function openModal(veil: HTMLElement, onclose: () => void): () => void {
  const before = document.activeElement
  veil.showPopover?.()
  open.push(veil)
  document.addEventListener('focusin', keep)
  const unhear = hearClosing(veil, onclose)
  const first = veil.querySelector<HTMLElement>('[autofocus]') ?? stops(veil)[0]
  first?.focus()
  // Not before: what has the focus cannot be hidden.
  hideRest()
  return () => {
    unhear()
    open.splice(open.indexOf(veil), 1)
    hideRest()
    if (open.length === 0) document.removeEventListener('focusin', keep)
    const now = document.activeElement
    const isLost = now === null || now === document.body || veil.contains(now)
    if (isLost && before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true })
  }
}

/** Tab goes round: from the last stop to the first, and back. */
export function turnTab(event: KeyboardEvent): void {
  const veil = event.currentTarget as HTMLElement
  if (event.key !== 'Tab') return
  const all = stops(veil)
  const [edge, next] = event.shiftKey ? [all[0], all.at(-1)] : [all.at(-1), all[0]]
  if (document.activeElement !== edge && veil.contains(document.activeElement)) return
  event.preventDefault()
  next?.focus()
}

function hearClosing(veil: HTMLElement, onclose: () => void): () => void {
  const watcher = typeof CloseWatcher === 'function' ? new CloseWatcher() : null
  watcher?.addEventListener('close', onclose)
  const onkeydown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return
    event.stopPropagation() // what the dialog was opened from may do something of its own at Escape
    if (watcher || event.defaultPrevented || open.at(-1) !== veil) return
    event.preventDefault()
    onclose()
  }
  // A click between the controls leaves the focus nowhere: the page hears the key then, not the dialog.
  const hearing = [veil, document.body] as const
  for (const one of hearing) one.addEventListener('keydown', onkeydown)
  return () => {
    watcher?.destroy()
    for (const one of hearing) one.removeEventListener('keydown', onkeydown)
  }
}

/** Hide from readers what is neither the last veil nor around it, and nothing else; what is announced is still heard. */
function hideRest(): void {
  for (const one of hidden) one.removeAttribute('aria-hidden')
  hidden = []
  const veil = open.at(-1)
  if (!veil) return
  for (let one: Element = veil; one.parentElement && one !== document.body; one = one.parentElement) {
    const others = [...one.parentElement.children].filter((other) => other !== one && !other.matches('[aria-hidden], [aria-live]'))
    for (const other of others) other.setAttribute('aria-hidden', 'true')
    hidden.push(...others)
  }
}

/** Whatever takes the focus out of the dialog, it comes back. */
function keep({ target }: FocusEvent): void {
  const veil = open.at(-1)
  if (veil && target instanceof Node && !veil.contains(target)) stops(veil)[0]?.focus()
}

function stops(veil: HTMLElement): HTMLElement[] {
  const all = veil.querySelectorAll<HTMLElement>(CAN_HAVE_FOCUS)
  return [...all].filter((one) => one.tabIndex >= 0 && !one.matches(':disabled') && one.checkVisibility())
}
