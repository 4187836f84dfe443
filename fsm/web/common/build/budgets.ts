// Fails the build when the script that a page needs before it shows anything has grown past its limit, and
// writes the sizes beside the pages. What counts: the page's entry and everything it imports at once, the
// longest language, each compressed with gzip.
import { gzipSync } from 'node:zlib'

interface Chunk {
  type: string
  fileName: string
  code?: string
  facadeModuleId?: string | null
  imports?: string[]
  moduleIds?: string[]
}

export function budgets(limits: Record<string, number>) {
  return {
    name: 'budgets',
    generateBundle: {
      order: 'post' as const,
      handler(this: unknown, _: unknown, bundle: Record<string, Chunk>) {
        const emit = (this as { emitFile(file: object): void }).emitFile.bind(this)
        const size = (name: string) => gzipSync(bundle[name]?.code ?? '', { level: 9 }).length
        const chunks = Object.values(bundle).filter((one) => one.type === 'chunk')
        const languages = chunks.filter((one) => one.facadeModuleId?.startsWith('\0virtual:messages/'))
        const language = Math.max(0, ...languages.map((one) => size(one.fileName)))
        const sizes: Record<string, { script: number; limit: number }> = {}
        const over: string[] = []
        for (const [page, limit] of Object.entries(limits)) {
          const entry = chunks.find((one) => one.facadeModuleId?.endsWith(`/${page}.html`))
          if (!entry) throw new Error(`There is no page ${page}, but a limit for it.`)
          const needed = new Set<string>()
          const visit = (name: string) => {
            if (needed.has(name) || !bundle[name]) return
            needed.add(name)
            bundle[name]?.imports?.forEach(visit)
          }
          visit(entry.fileName)
          const script = [...needed].reduce((sum, name) => sum + size(name), language)
          sizes[page] = { script, limit }
          if (script > limit) over.push(`${page}: ${script} bytes of script, limit ${limit}`)
        }
        emit({ type: 'asset', fileName: 'sizes.json', source: JSON.stringify(sizes, null, 1) + '\n' })
        if (over.length) throw new Error(`Too large:\n  ${over.join('\n  ')}`)
      },
    },
  }
}
