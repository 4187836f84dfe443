// The one way to the server. Types come from its OpenAPI document; a refusal is thrown as a Problem, whose
// sentence is for people. Access is renewed once when the server says that it has run out.
import type { paths } from '../generated/api'
import { currentLanguage } from './messages.ts'

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'
type Path<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, infer O> ? ([O] extends [undefined] ? never : P) : never
}[keyof paths]
type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? NonNullable<O> : never
type Content<R> = R extends { content: infer C } ? C[keyof C] : undefined
type Good<R> = R extends Record<number, unknown>
  ? Content<R[200 extends keyof R ? 200 : 201 extends keyof R ? 201 : 202 extends keyof R ? 202 : 204 & keyof R]>
  : never

export type Answer<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { responses: infer R } ? Good<R> : never
export type Asked<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { requestBody?: { content: { 'application/json': infer B } } } ? B : undefined
type Query<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { parameters: { query?: infer Q } } ? Q : never
type InPath<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { parameters: { path: infer Q } } ? Q : never

interface Options<P extends keyof paths, M extends Method> {
  path?: InPath<P, M>
  query?: Query<P, M>
  body?: Asked<P, M>
  signal?: AbortSignal
}

/** A refusal (RFC 9457): `code` for the page, `message` for its reader, further facts in `facts`. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly facts: Record<string, unknown> = {},
  ) {
    super(detail)
  }

  /** The server's word for one field (`/starts_at`), when it complained of it. */
  at(pointer: string): string | undefined {
    const errors = this.facts.errors as { at: string; detail?: string }[] | undefined
    return errors?.find((one) => one.at === pointer)?.detail
  }
}

/** Nobody answered: no connection, or no server. */
export class Unreachable extends Error {}

/** Where the access token comes from. `token` may renew; `expired` says that the last one was refused. */
export interface Access {
  token(): Promise<string | null>
  expired(token: string | null): void
}

export class Client {
  constructor(
    private readonly access: Access,
    private readonly root = '',
  ) {}

  get<P extends Path<'get'>>(path: P, options: Options<P, 'get'> = {}) {
    return this.ask<Answer<P, 'get'>>('GET', path, options as Loose)
  }
  post<P extends Path<'post'>>(path: P, options: Options<P, 'post'> = {}) {
    return this.ask<Answer<P, 'post'>>('POST', path, options as Loose)
  }
  put<P extends Path<'put'>>(path: P, options: Options<P, 'put'> = {}) {
    return this.ask<Answer<P, 'put'>>('PUT', path, options as Loose)
  }
  patch<P extends Path<'patch'>>(path: P, options: Options<P, 'patch'> = {}) {
    return this.ask<Answer<P, 'patch'>>('PATCH', path, options as Loose)
  }
  delete<P extends Path<'delete'>>(path: P, options: Options<P, 'delete'> = {}) {
    return this.ask<Answer<P, 'delete'>>('DELETE', path, options as Loose)
  }

  private async ask<A>(method: string, path: string, options: Loose): Promise<A> {
    const body = options.body === undefined ? undefined : JSON.stringify(options.body)
    const response = await this.fetch(address(path, options), {
      method,
      ...(body === undefined ? {} : { body, headers: { 'Content-Type': 'application/json' } }),
      ...(options.signal ? { signal: options.signal } : {}),
    })
    return (response.status === 204 ? undefined : await response.json()) as A
  }

  /** `fetch` with access; throws Problem for refusals and Unreachable when nobody answers. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    for (let round = 0; ; round++) {
      const token = await this.access.token()
      const headers = new Headers(init.headers)
      if (!headers.has('Accept')) headers.set('Accept', 'application/json')
      if (token) headers.set('Authorization', `Bearer ${token}`)
      const response = await reach(this.root + path, { ...init, headers })
      if (response.status === 401 && round === 0) {
        this.access.expired(token)
        continue
      }
      if (!response.ok) throw await problemOf(response)
      return response
    }
  }
}

interface Loose {
  path?: Record<string, unknown>
  query?: Record<string, unknown>
  body?: unknown
  signal?: AbortSignal
}

function address(path: string, options: Loose): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(options.path?.[name])))
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value === undefined || value === null) continue
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one))
  }
  const text = query.toString()
  return text ? `${filled}?${text}` : filled
}

/** `fetch` in the page's language, in which refusals are said; throws Unreachable when nobody answers. */
export async function reach(url: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('Accept-Language', currentLanguage())
  try {
    return await fetch(url, { ...init, headers })
  } catch (error) {
    if (init.signal?.aborted) throw error
    throw new Unreachable(String(error))
  }
}

export async function problemOf(response: Response): Promise<Problem> {
  try {
    const { status, code, detail, type: _type, title, ...facts } = await response.json()
    return new Problem(status, code, detail || title, facts)
  } catch {
    return new Problem(response.status, 'unreadable', response.statusText || `HTTP ${response.status}`)
  }
}
