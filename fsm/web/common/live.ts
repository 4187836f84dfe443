// Server-sent events over fetch, since EventSource sends no token. They only say that there is something to
// fetch; losing the line loses nothing, and shows itself.
import type { Client } from './api.ts'

export interface Poke {
  event: string
  data: unknown
}

export interface Line {
  onPoke(poke: Poke): void
  onState(isUp: boolean): void
}

const SILENT_MS = 45_000
const LONGEST_WAIT_MS = 30_000

/** Listen until the returned function is called; comes back by itself, later each time it fails. */
export function listen(client: Client, path: string, line: Line): () => void {
  const stopping = new AbortController()
  void (async () => {
    let lastId = ''
    let failures = 0
    while (!stopping.signal.aborted) {
      const broken = new AbortController()
      const stop = () => broken.abort()
      stopping.signal.addEventListener('abort', stop)
      let watchdog = setTimeout(stop, SILENT_MS)
      try {
        const headers: Record<string, string> = { Accept: 'text/event-stream' }
        if (lastId) headers['Last-Event-ID'] = lastId
        const response = await client.fetch(path, { headers, signal: broken.signal })
        line.onState(true)
        failures = 0
        await read(response, (id, poke) => {
          lastId = id || lastId
          line.onPoke(poke)
        }, () => {
          clearTimeout(watchdog)
          watchdog = setTimeout(stop, SILENT_MS)
        })
      } catch {
        failures++
        if (!stopping.signal.aborted) line.onState(false)
      }
      clearTimeout(watchdog)
      stopping.signal.removeEventListener('abort', stop)
      const wait = failures ? Math.min(LONGEST_WAIT_MS, 1000 * 2 ** Math.min(failures, 5)) : 300
      await pause(wait * (0.5 + Math.random() / 2), stopping.signal)
    }
  })()
  return () => stopping.abort()
}

async function read(
  response: Response,
  tell: (id: string, poke: Poke) => void,
  heard: () => void,
): Promise<void> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    heard()
    const blocks = (rest + value).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      let id = ''
      let event = 'message'
      let data = ''
      for (const row of block.split('\n')) {
        if (row.startsWith('id: ')) id = row.slice(4)
        else if (row.startsWith('event: ')) event = row.slice(7)
        else if (row.startsWith('data: ')) data += row.slice(6)
      }
      if (data) tell(id, { event, data: JSON.parse(data) })
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      done()
    })
  })
}
