// Compiles the sentences that people read. A catalogue is LANGUAGE.json, flat: key → sentence, or key →
// {plural category: sentence} for sentences with a {count}. Later folders add to earlier ones. A language is
// one chunk of its own, so a page loads one. A language counts where each folder that fsm/languages.json names
// has its file, those of the server and of other pages too; one that is only begun is left out, and said. A key
// that is missing in a language, filled otherwise there, or used in a source and written nowhere fails the build.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

type Sentence = string | Record<string, string>
type Catalogue = Record<string, Sentence>

const VIRTUAL = 'virtual:messages'
const OWN_NAME = 'language.name'
const CHECKOUT = fileURLToPath(new URL('../../../../', import.meta.url))
const USED = /\bt\(\s*(?:'([^']+)'|`([^`$]+)\$\{)/g

export function messages(folders: string[], declared: string, sources: string[]) {
  const { whole, begun } = languages()
  const catalogues = read(folders, whole)
  return {
    name: 'messages',
    buildStart() {
      for (const [language, files] of Object.entries(begun)) {
        console.warn(`The language '${language}' is left out until it has ${files.join(', ')}.`)
      }
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
        const names = Object.fromEntries(Object.entries(catalogues).map(([name, own]) => [name, own[OWN_NAME]]))
        return `export const loaders = {${loaders.join(', ')}}; export const names = ${JSON.stringify(names)}`
      }
      if (id.startsWith('\0' + VIRTUAL + '/')) {
        return `export default ${JSON.stringify(catalogues[basename(id)])}`
      }
      return undefined
    },
  }
}

/** The languages that have all their files, English first, and the files that the others lack. */
function languages(): { whole: string[]; begun: Record<string, string[]> } {
  const folders = JSON.parse(readFileSync(join(CHECKOUT, 'fsm/languages.json'), 'utf8')) as string[]
  const files = folders.flatMap((folder) => readdirSync(join(CHECKOUT, folder)))
  const names = [...new Set(files.filter((file) => file.endsWith('.json')).map((file) => basename(file, '.json')))]
  const begun: Record<string, string[]> = {}
  for (const name of names.sort()) {
    const lacking = folders.map((folder) => `${folder}/${name}.json`).filter((file) => !existsSync(join(CHECKOUT, file)))
    if (lacking.length) begun[name] = lacking
  }
  const whole = names.filter((name) => !(name in begun)).sort((a, b) => Number(b === 'en') - Number(a === 'en'))
  return { whole, begun }
}

function read(folders: string[], languages: string[]): Record<string, Catalogue> {
  const found: Record<string, Catalogue> = {}
  for (const folder of folders) {
    for (const language of languages) {
      const file = join(folder, `${language}.json`)
      const own = JSON.parse(readFileSync(file, 'utf8')) as Catalogue
      for (const key of Object.keys(own)) {
        if (found[language]?.[key] !== undefined) throw new Error(`${file}: ${key} is already written`)
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
    `  export const loaders: Record<string, () => Promise<{ default: Record<Key, Sentence> }>>\n` +
    `  export const names: Record<string, string>\n}\n`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
