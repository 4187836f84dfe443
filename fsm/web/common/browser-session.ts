// Who is signed in, in a browser at a desk. The access token lives in this page's memory alone; what renews
// it is a cookie that no script can read, sent to one address and by our own pages only.
import { problemOf, reach, type Access } from './api.ts'

const ADDRESS = '/api/sign-in/browser'
const EARLY_MS = 30_000

export interface Session {
  access_token: string
  expires_in_s: number
  name: string
  language: string
  permissions: string[]
  is_customer: boolean
}

export class BrowserSession implements Access {
  private session: Session | null = null
  private renewAt = 0
  private renewing: Promise<void> | null = null

  /** `onEnd`: nobody is signed in any more. */
  constructor(private readonly onEnd: () => void) {}

  get name(): string {
    return this.session?.name ?? ''
  }

  get isCustomer(): boolean {
    return this.session?.is_customer ?? false
  }

  may(permission: string): boolean {
    return this.session?.permissions.includes(permission) ?? false
  }

  async signIn(login: string, password: string): Promise<Session> {
    const headers = { 'Content-Type': 'application/json', Accept: 'application/json' }
    const response = await reach(ADDRESS, { method: 'POST', headers, body: JSON.stringify({ login, password }) })
    if (!response.ok) throw await problemOf(response)
    return this.keep((await response.json()) as Session)
  }

  /** Whoever signed in here before, null when nobody is. */
  async resume(): Promise<Session | null> {
    await this.renew()
    return this.session
  }

  async signOut(): Promise<void> {
    this.session = null
    await reach(ADDRESS, { method: 'DELETE' })
    this.onEnd()
  }

  async token(): Promise<string | null> {
    if (this.session === null || Date.now() >= this.renewAt) await this.renew()
    return this.session?.access_token ?? null
  }

  expired(token: string | null): void {
    if (this.session?.access_token === token) this.renewAt = 0
  }

  private renew(): Promise<void> {
    // One page at a time: the cookie is spent with each renewal, and another page waits for the new one.
    const going =
      this.renewing ??
      (async () => {
        await navigator.locks.request('fsm.session', () => this.renewNow())
      })().finally(() => {
        this.renewing = null
      })
    this.renewing = going
    return going
  }

  private async renewNow(): Promise<void> {
    const response = await reach(`${ADDRESS}/renewal`, { method: 'POST', headers: { Accept: 'application/json' } })
    if (response.ok) {
      this.keep((await response.json()) as Session)
      return
    }
    const problem = await problemOf(response)
    if (problem.status !== 401 && problem.status !== 403) throw problem
    const had = this.session !== null
    this.session = null
    if (had) this.onEnd()
  }

  private keep(session: Session): Session {
    this.session = session
    this.renewAt = Date.now() + session.expires_in_s * 1000 - EARLY_MS
    return session
  }
}

