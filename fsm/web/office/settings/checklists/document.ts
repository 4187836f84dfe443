// A checklist document as its author edits it. What may be published is the server's to say.
import type { Item } from '$common/checklist.ts'

export type Kind = Item['kind']

export interface Document {
  template_id: string
  version: number
  title?: Record<string, string>
  supersedes?: { min_accepted: number; policy: 'accept' | 'review' }
  items: Item[]
}

export interface DraftError {
  at: string
  code: string
  detail: string
}

export const kinds: Kind[] = ['yesno', 'number', 'choice', 'text', 'photo', 'video', 'signature', 'meter', 'barcode']
export const symbologies = ['qr', 'datamatrix', 'code128', 'code39', 'ean13', 'ean8', 'upca']

/** What every kind may have; the rest belongs to one kind and goes when the kind changes. */
const shared = new Set([
  'id', 'kind', 'label', 'help', 'required', 'scope', 'waiver', 'visible_if', 'required_if', 'corrective_if', 'corrective',
])
const valued = new Set(['constraint', 'constraint_text'])

export function newItem(items: Item[], kind: Kind): Item {
  return { ...rest(kind), id: freeId(items, kind), kind, label: {} }
}

export function copyOf(items: Item[], item: Item): Item {
  return { ...structuredClone(item), id: freeId(items, item.id) }
}

export function ofKind(item: Item, kind: Kind): Item {
  const isMedia = kind === 'photo' || kind === 'video'
  const kept = Object.entries(item).filter(([key]) => shared.has(key) || (!isMedia && valued.has(key)))
  return { ...Object.fromEntries(kept), ...rest(kind), kind } as Item
}

/** What a kind cannot be without. */
function rest(kind: Kind): Partial<Item> {
  if (kind === 'choice') return { choices: [{ code: 'a', label: {} }, { code: 'b', label: {} }] }
  if (kind === 'meter') return { meter: 'hours' }
  return {}
}

function freeId(items: Item[], wished: string): string {
  const taken = new Set(items.map(({ id }) => id))
  const base = wished.replace(/_\d+$/, '')
  for (let number = 1; ; number++) {
    const id = number === 1 ? base : `${base}_${number}`
    if (!taken.has(id)) return id
  }
}

/** The document without what was left empty: it is that which is published. */
export function tidy(document: Document): Document {
  return strip(document) as Document
}

function strip(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strip)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value)
    .map(([key, one]) => [key, strip(one)] as const)
    .filter(([key, one]) => one !== undefined && one !== null && one !== '' && one !== false && !(WORDS.has(key) && isEmpty(one)))
  return Object.fromEntries(kept)
}

const WORDS = new Set(['label', 'help', 'constraint_text', 'title', 'symbology', 'mime'])

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}
