// Tells the service worker which files make up this build: those it keeps at once, and the large ones that it
// brings later. Their names and contents give the build its own name.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const LATER = /zxing|reader/

export function precache(publicFolder: string) {
  return {
    name: 'precache',
    generateBundle: {
      order: 'post' as const,
      handler(_: unknown, bundle: Record<string, any>) {
        const worker = bundle['sw.js']
        const hash = createHash('sha256')
        const names = Object.keys(bundle).filter((name) => name !== 'sw.js' && !name.endsWith('.json'))
        for (const name of names.sort()) hash.update(name).update(bundle[name].code ?? bundle[name].source)
        const own = readdirSync(publicFolder)
        for (const name of own.sort()) hash.update(name).update(readFileSync(join(publicFolder, name)))
        const files = [...names, ...own].map((name) => (name === 'index.html' ? 'index' : name))
        worker.code = worker.code
          .replaceAll('__SHELL__', JSON.stringify(files.filter((name) => !LATER.test(name))))
          .replaceAll('__LATER__', JSON.stringify(files.filter((name) => LATER.test(name))))
          .replaceAll('__BUILD__', JSON.stringify(hash.digest('hex').slice(0, 16)))
      },
    },
  }
}
