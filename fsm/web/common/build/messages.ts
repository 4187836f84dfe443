// Compiles the sentences that people read. A catalogue is LANGUAGE.json, flat: key → sentence, or key →
// {plural category: sentence} for sentences with a {count}. Later folders add to earlier ones. A language is
// one chunk of its own, so a page loads one. A key that is missing in a language, filled otherwise there, or
// used in a source and written nowhere fails the build.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

type Sentence = string | Record<string, string>
type Catalogue = Record<string, Sentence>

const VIRTUAL = 'virtual:messages'
const USED = /\bt\(\s*(?:'([^']+)'|`([^`$]+)\$\{)/g

export function messages(folders: string[], declared: string, sources: string[]) {
  const catalogues = read(folders)
  return {
    name: 'messages',
    buildStart() {
      check(catalogues)
      checkUse(catalogues, sources)
      declare(catalogues, declared)
    },
    resolveId(id: string) {
      return id === VIRTUAL || id.startsWith(VIRTUAL + '/') ? '\0' + id : undefined
    },
    load(id: string) {
      if (id === '\0' + VIRTUAL) {
        const loaders = Object.keys(catalogues).map(
          (name) => `${JSON.stringify(name)}: () => import('${VIRTUAL}/${name}')`,
        )
        return `export const loaders = {${loaders.join(', ')}}`
      }
      if (id.startsWith('\0' + VIRTUAL + '/')) {
        return `export default ${JSON.stringify(catalogues[basename(id)])}`
      }
      return undefined
    },
  }
}

function read(folders: string[]): Record<string, Catalogue> {
  const found: Record<string, Catalogue> = {}
  for (const folder of folders) {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      const own = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Catalogue
      const language = basename(file, '.json')
      for (const key of Object.keys(own)) {
        if (found[language]?.[key] !== undefined) throw new Error(`${folder}/${file}: ${key} is already written`)
      }
      found[language] = { ...found[language], ...own }
    }
  }
  return found
}

function forms(sentence: Sentence): string[] {
  return typeof sentence === 'string' ? [sentence] : Object.values(sentence)
}

function blanks(sentence: Sentence): string {
  const names = forms(sentence).flatMap((form) => [...form.matchAll(/\{([a-z_]+)\}/g)].map((match) => match[1]))
  return [...new Set(names)].filter((name) => name !== 'count').sort().join(' ')
}

function check(catalogues: Record<string, Catalogue>): void {
  const wrong: string[] = []
  const languages = Object.keys(catalogues)
  const keys = new Set(languages.flatMap((name) => Object.keys(catalogues[name] ?? {})))
  for (const key of keys) {
    const written = languages.map((name) => [name, catalogues[name]?.[key]] as const)
    for (const [name, sentence] of written) {
      if (sentence === undefined) {
        wrong.push(`${name}: ${key} is missing`)
      } else if (typeof sentence !== 'string') {
        for (const form of new Intl.PluralRules(name).resolvedOptions().pluralCategories) {
          if (sentence[form] === undefined) wrong.push(`${name}: ${key} lacks the form '${form}'`)
        }
      }
    }
    const filled = written.filter(([, sentence]) => sentence !== undefined)
    if (new Set(filled.map(([, sentence]) => blanks(sentence!))).size > 1) {
      wrong.push(`${key} is filled differently: ${filled.map(([name, s]) => `${name}: ${blanks(s!)}`).join('; ')}`)
    }
  }
  if (wrong.length) throw new Error(`Messages:\n  ${wrong.join('\n  ')}`)
}

function checkUse(catalogues: Record<string, Catalogue>, sources: string[]): void {
  const keys = Object.keys(Object.values(catalogues)[0] ?? {})
  const wrong: string[] = []
  for (const file of sources.flatMap(files)) {
    for (const [, whole, start] of readFileSync(file, 'utf8').matchAll(USED)) {
      const is = whole ? keys.includes(whole) : keys.some((key) => key.startsWith(start!))
      if (!is) wrong.push(`${file}: no message '${whole ?? start + '…'}'`)
    }
  }
  if (wrong.length) throw new Error(`Messages:\n  ${wrong.join('\n  ')}`)
}

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : files(path)
    return /\.(svelte|ts)$/.test(entry.name) ? [path] : []
  })
}

function declare(catalogues: Record<string, Catalogue>, file: string): void {
  const keys = Object.keys(Object.values(catalogues)[0] ?? {}).sort()
  const text =
    `// Written by the build.\ndeclare module '${VIRTUAL}' {\n` +
    `  export type Key =\n${keys.map((key) => `    | ${JSON.stringify(key)}`).join('\n')}\n` +
    `  export type Sentence = string | Record<string, string>\n` +
    `  export const loaders: Record<string, () => Promise<{ default: Record<Key, Sentence> }>>\n}\n`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
