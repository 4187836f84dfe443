/**
 * Taps and words on their way into the database, noted at once in the same turn as the tap: a page that is ended
 * before the database has them finds them here when it is next opened. It is no second outbox: what the database
 * has is struck out.
 */
import type { Moment, Tap } from "./outbox.ts";

const TAPS = "fsm.app.tap";
const WORDS = "fsm.app.words";

export interface Noted {
  key: string;
  taps: Tap[];
  tapped: Moment;
}

/** Note taps that have ids; photos are too large to be noted, null then or where there is no room. */
export function noteTaps(store: string, taps: Tap[], tapped: Moment): string | null {
  if (taps.some(({ photo }) => photo)) return null;
  const key = `${TAPS}/${store}/${taps[0]!.id}`;
  return put(key, { taps, tapped }) ? key : null;
}

export function listTaps(store: string): Noted[] {
  const found = keysOf(`${TAPS}/${store}/`).sort(); // ids begin with the time
  return found.map((key) => ({ key, ...(JSON.parse(localStorage.getItem(key)!) as Omit<Noted, "key">) }));
}

export function strike(key: string | null): void {
  if (key) localStorage.removeItem(key);
}

/** Note what is being typed; false where there is no room for it. */
export function noteWords(store: string, name: string, words: unknown): boolean {
  return put(`${WORDS}/${store}/${name}`, words);
}

/** What is noted and not in the database, undefined when nothing is. */
export function readWords(store: string, name: string): unknown {
  const text = localStorage.getItem(`${WORDS}/${store}/${name}`);
  return text === null ? undefined : JSON.parse(text);
}

/** The database has these words, or they have become a step: strike them unless others were typed since. */
export function strikeWords(store: string, name: string, words?: unknown): void {
  const key = `${WORDS}/${store}/${name}`;
  if (words === undefined || localStorage.getItem(key) === JSON.stringify(words)) localStorage.removeItem(key);
}

function put(key: string, value: unknown): boolean {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

function keysOf(prefix: string): string[] {
  return Array.from({ length: localStorage.length }, (_, at) => localStorage.key(at)!).filter((key) => key.startsWith(prefix));
}
