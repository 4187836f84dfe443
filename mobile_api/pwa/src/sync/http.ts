/** Asking the server: with the device's token, within bounded silence, and with its problems as errors. */
import type { Problem } from "./wire.ts";

const SILENCE_MS = 60_000;

/** The server answered, and refused. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
    readonly retryAfterMs: number | null = null,
  ) {
    super(problem.detail ?? problem.title ?? `${status}`);
  }
}

/** Nobody answered: no line, or one that fell silent. */
export class Unreachable extends Error {}

export interface Request {
  method?: string;
  headers?: Record<string, string>;
  body?: BodyInit;
  signal?: AbortSignal;
  token?: string | null;
}

/**
 * Ask, and read the answer by `read`, which calls its second argument whenever something was heard: a line
 * may fall silent without being cut.
 */
export async function ask<Answer>(
  url: string,
  { token, signal, headers, ...rest }: Request,
  read: (answer: Response, heard: () => void) => Promise<Answer>,
  silence = SILENCE_MS,
): Promise<Answer> {
  const given = new AbortController();
  const giveUp = () => given.abort();
  let timer: ReturnType<typeof setTimeout>;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(giveUp, silence);
  };
  signal?.addEventListener("abort", giveUp);
  heard();
  try {
    const authorization: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
    const answer = await fetch(url, {
      ...rest,
      headers: { ...authorization, ...inOurLanguage(), ...headers },
      signal: given.signal,
      cache: "no-store",
      credentials: "omit",
    });
    heard();
    if (answer.ok) return await read(answer, heard);
    throw await refusal(answer);
  } catch (error) {
    throw error instanceof Refused ? error : new Unreachable(String(error));
  } finally {
    clearTimeout(timer!);
    signal?.removeEventListener("abort", giveUp);
  }
}

export function askJson<Answer>(url: string, request: Request): Promise<Answer> {
  return ask(url, request, (answer) => answer.json() as Promise<Answer>);
}

export function postJson<Answer>(url: string, body: unknown, request: Request = {}): Promise<Answer> {
  const headers = { "Content-Type": "application/json", ...request.headers };
  return askJson<Answer>(url, { method: "POST", body: JSON.stringify(body), ...request, headers });
}

/** Refusals are said in the page's language. */
function inOurLanguage(): Record<string, string> {
  const language = globalThis.document?.documentElement.lang;
  return language ? { "Accept-Language": language } : {};
}

async function refusal(answer: Response): Promise<Refused> {
  const problem = (await answer.json().catch(() => ({}))) as Problem;
  const wait = Number(answer.headers.get("Retry-After"));
  return new Refused(answer.status, problem, Number.isFinite(wait) && wait > 0 ? wait * 1_000 : null);
}
