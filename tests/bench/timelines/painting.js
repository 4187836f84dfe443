// Runs before any script of a page: when things became visible, by one rule for every page. A sample is taken
// right after each frame; what is looked at has arrived with the frame after which it changed no more.
;(() => {
  const STILL_FRAMES = 20
  const LONGEST_MS = 60_000
  const data = ['/api/board', '/api/board/changes']
  /** When data came to hand; while it is held, a page that has fetched some waits for `go`. */
  const given = { at: 0, isHeld: false, go: null }
  const looked = { frames: 0 }
  const json = Response.prototype.json
  Response.prototype.json = async function () {
    const read = await json.call(this)
    if (data.includes(new URL(this.url).pathname)) {
      if (given.isHeld) await new Promise((go) => (given.go = go))
      given.at = performance.now()
    }
    return read
  }

  const afterFrame = () =>
    new Promise((done) => {
      requestAnimationFrame(() => {
        const channel = new MessageChannel()
        channel.port1.onmessage = () => {
          looked.frames++
          done(performance.now())
        }
        channel.port2.postMessage(0)
      })
    })

  const looks = {
    count: (selector) => document.querySelectorAll(selector).length,
    place: (selector) => {
      const box = document.querySelector(selector)?.getBoundingClientRect()
      return box ? `${Math.round(box.left)},${Math.round(box.top)}` : ''
    },
  }

  /** When what `look` sees of `selector` had become other than `before`, and stayed. */
  async function arrived(look, selector, before) {
    const begun = performance.now()
    let seen = before
    let at = 0
    for (let still = 0; at === 0 || still < STILL_FRAMES; ) {
      const now = await afterFrame()
      if (now - begun > LONGEST_MS) throw new Error(`${selector}: nothing came in ${LONGEST_MS} ms`)
      const found = looks[look](selector)
      if (found === seen || found === 0 || found === '') still++
      else {
        seen = found
        at = now
        still = 0
      }
    }
    return { at, seen }
  }

  /** Frames in which nothing is done but to look, to know what that costs. */
  async function still(frames) {
    for (let n = 0; n < frames; n++) {
      await afterFrame()
      looks.place('body')
    }
  }

  const interactions = new Map()
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) {
      if (one.interactionId) interactions.set(one.interactionId, Math.max(one.duration, interactions.get(one.interactionId) ?? 0))
    }
  }).observe({ type: 'event', durationThreshold: 16, buffered: true })

  window.bench = { given, looked, arrived, still, looks, interactions }
})()
