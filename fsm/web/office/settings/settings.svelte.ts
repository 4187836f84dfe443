// Which part of the settings is open, and how something is tried: said when it worked, kept and told when not.
import { announce } from '$common/announce.svelte.ts'
import { t } from '$common/messages.ts'

import { Attempt as Trying } from '../shell/attempt.svelte.ts'
import { session } from '../shell/start.ts'

/** The parts in their order, each with the permission that opens it. Code is loaded with the part. */
const all = [
  { name: 'checklists', needs: 'manage_catalogue', load: () => import('./checklists/Checklists.svelte') },
  { name: 'work_types', needs: 'manage_catalogue', load: () => import('./WorkTypes.svelte') },
  { name: 'known_problems', needs: 'edit_assets', load: () => import('./KnownProblems.svelte') },
  { name: 'service_levels', needs: 'manage_catalogue', load: () => import('./ServiceLevels.svelte') },
  { name: 'calendars', needs: 'manage_catalogue', load: () => import('./Calendars.svelte') },
  { name: 'users', needs: 'manage_users', load: () => import('./users/Users.svelte') },
  { name: 'roles', needs: 'manage_users', load: () => import('./users/Roles.svelte') },
  { name: 'labels', needs: 'edit_assets', load: () => import('./Labels.svelte') },
  { name: 'imports', needs: 'import_data', load: () => import('./Imports.svelte') },
] as const

export type Part = (typeof all)[number]['name']

/** The id of what is not there yet. */
export const NEW = 'new'

class Settings {
  part = $state<Part | null>(null)
  id = $state<string | null>(null)
  notice = $state('')

  /** What the person who is signed in may see. */
  get parts() {
    return all.filter((one) => session.may(one.needs))
  }

  /** Begin: read the address, follow the browser's way back. Returns how to stop. */
  start(): () => void {
    this.read()
    const read = () => this.read()
    addEventListener('popstate', read)
    return () => removeEventListener('popstate', read)
  }

  open(part: Part, id: string | null = null): void {
    this.part = part
    this.id = id
    this.notice = ''
    history.pushState(null, '', this.address(part, id))
  }

  /** Look at something else of the same part. */
  show(id: string | null): void {
    if (this.part) this.open(this.part, id)
  }

  /** It was saved: be there, unless another one was opened or the list was gone back to meanwhile. */
  arrive(id: string): void {
    if (this.id === NEW) this.id = id
  }

  address(part: Part, id: string | null = null): string {
    return `?${new URLSearchParams({ part, ...(id ? { id } : {}) })}`
  }

  say(text: string): void {
    this.notice = text
    announce(text)
  }

  private read(): void {
    const asked = new URLSearchParams(location.search)
    this.part = (this.parts.find(({ name }) => name === asked.get('part')) ?? this.parts[0])?.name ?? null
    this.id = asked.get('id')
  }
}

export const settings = new Settings()

/** One form's tries: what worked is said above the part. */
export class Attempt extends Trying {
  protected override say(text: string): void {
    settings.say(text)
  }
}

/** Every row of a list that comes in pages. */
export async function everything<T>(
  page: (after: string | undefined) => Promise<{ items: T[]; next: string | null }>,
): Promise<T[]> {
  const found: T[] = []
  let after: string | undefined
  do {
    const answer = await page(after)
    found.push(...answer.items)
    after = answer.next ?? undefined
  } while (after)
  return found
}

/** "In force since …", "from …" of versions: the last that has begun is in force. */
export function inForce<T extends { effective_at: string }>(versions: T[], now = Date.now()): T | undefined {
  return versions.filter((one) => Date.parse(one.effective_at) <= now).at(-1)
}

export function saved(name: string): string {
  return t('settings.saved', { name })
}
