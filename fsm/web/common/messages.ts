// The sentences of the one language that is loaded, with plurals and numbers by the browser's own rules.
import { loaders, names, type Key, type Sentence } from 'virtual:messages'

import { remember, remembered } from './remembered.ts'

export type { Key }
export type Blanks = Record<string, string | number>

const CHOSEN = 'fsm.language'

let language = 'en'
let sentences: Record<string, Sentence> = {}
let plurals = new Intl.PluralRules('en')
let numbers = new Intl.NumberFormat('en')

export const languages = Object.keys(loaders)

/** Load the language that was chosen, else the first of the reader's that there is, else English. */
export async function loadLanguage(wished?: string): Promise<void> {
  const wishes = [remembered(CHOSEN), wished, ...navigator.languages.map((one) => one.split('-')[0])]
  language = wishes.find((one): one is string => !!one && one in loaders) ?? 'en'
  sentences = (await loaders[language]!()).default
  plurals = new Intl.PluralRules(language)
  numbers = new Intl.NumberFormat(language)
  document.documentElement.lang = language
}

/** Keep another language for this browser. The page is loaded anew: sentences are not watched. */
export function chooseLanguage(name: string): void {
  remember(CHOSEN, name)
  location.reload()
}

export function currentLanguage(): string {
  return language
}

/** The name of a language in itself: English, Deutsch. For those that people's texts are in and pages are not,
 *  the browser's. */
export function languageName(name: string): string {
  return names[name] ?? new Intl.DisplayNames([name], { type: 'language' }).of(name) ?? name
}

/** The sentence of a key, its {blanks} filled; `count` chooses the plural form. */
export function t(key: Key, blanks: Blanks = {}): string {
  const written = sentences[key]
  if (written === undefined) return key
  const sentence =
    typeof written === 'string' ? written : (written[plurals.select(Number(blanks.count ?? 0))] ?? written.other ?? key)
  return sentence.replace(/\{([a-z_]+)\}/g, (_, name: string) => shown(blanks[name]))
}

/** A word for a code that the server may extend: its message, else the code itself. */
export function word(prefix: string, code: string): string {
  const key = `${prefix}.${code}`
  return key in sentences ? t(key as Key) : code.replaceAll('_', ' ')
}

export function number(value: number, options?: Intl.NumberFormatOptions): string {
  return options ? new Intl.NumberFormat(language, options).format(value) : numbers.format(value)
}

function shown(value: string | number | undefined): string {
  if (value === undefined) return ''
  return typeof value === 'number' ? number(value) : value
}
