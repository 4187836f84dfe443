/**
 * Keeping what a technician does and types, on a phone that may be full, or ended at any moment.
 *
 * A step that the phone has no room for waits in memory before everybody's eyes: it is tried again whenever there
 * may be room, until it is kept or left out on purpose. Words wait beside the database.
 */
import { uuidv7 } from "./sync/bytes.ts";
import type { Entry, Store } from "./store/database.ts";
import { listTaps, noteTaps, noteWords, readWords, strike, strikeWords } from "./store/journal.ts";
import { type Moment, type Tap, momentNow, record } from "./store/outbox.ts";
import { isNoRoom, makeRoom } from "./store/room.ts";

/** A step that is not kept yet; `detail` is what the browser said where it is not for want of room. */
export interface Unkept {
  taps: Tap[];
  tapped: Moment;
  note: string | null;
  detail: string | null;
  settle: (entries: Entry[] | null) => void;
}

export class Keeping {
  unkept = $state.raw<Unkept[]>([]);
  /** Words are typed that the database has no room for. */
  wordsWait = $state(false);
  /** There was no room lately: nothing is brought that was not asked for. */
  isTight = $state(false);
  /** Everything typed since the page was opened that has not become a step. */
  typed = new Map<string, unknown>();

  private doing = new Map<string, Promise<Entry[] | null>>();
  private waiting = new Set<string>();
  private trying: Promise<boolean> | null = null;

  /** `head` is how far the feed had been read when the page last looked. */
  constructor(private readonly store: () => { name: string; store: Store; head?: number | undefined }) {
    addEventListener("beforeunload", (event) => this.unkept.length && event.preventDefault());
  }

  /**
   * Keep steps; null when they could not be kept and were left out on purpose. The same again before it is kept
   * is the second tap of a hurried thumb: it counts once.
   */
  do(taps: Tap[]): Promise<Entry[] | null> {
    const same = JSON.stringify(taps);
    const doing = this.doing.get(same) ?? this.keep(taps).finally(() => this.doing.delete(same));
    this.doing.set(same, doing);
    return doing;
  }

  private async keep(given: Tap[]): Promise<Entry[] | null> {
    const { name, head } = this.store();
    const tapped = momentNow(head);
    const taps = given.map((tap) => ({ ...tap, id: uuidv7(tapped.now) }));
    const note = noteTaps(name, taps, tapped);
    return this.write(taps, tapped, note).catch((error) => this.wait(taps, tapped, note, error));
  }

  private wait(taps: Tap[], tapped: Moment, note: string | null, error: unknown): Promise<Entry[] | null> {
    const detail = isNoRoom(error) ? null : String(error);
    return new Promise((settle) => (this.unkept = [...this.unkept, { taps, tapped, note, detail, settle }]));
  }

  private async write(taps: Tap[], tapped: Moment, note: string | null): Promise<Entry[]> {
    const { name, store } = this.store();
    const entries = await this.withRoom(store, () => record(store, taps, tapped));
    strike(note);
    for (const { draft } of taps) {
      if (draft) this.forget(name, draft);
    }
    return entries;
  }

  /** Write; where there is no room, once more after letting go of what can be had again. */
  private async withRoom<Result>(store: Store, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      this.isTight = true;
      if (!(await makeRoom(store))) throw error;
      return await work();
    }
  }

  /** Try what waits again, oldest first; true when all of it is kept now. */
  tryAgain(): Promise<boolean> {
    this.trying ??= this.tryAll().finally(() => (this.trying = null));
    return this.trying;
  }

  private async tryAll(): Promise<boolean> {
    try {
      for (let one = this.unkept[0]; one; one = this.unkept[0]) {
        one.settle(await this.write(one.taps, one.tapped, one.note));
        this.unkept = this.unkept.filter((other) => other !== one);
      }
      for (const draft of this.waiting) await this.type(draft, this.typed.get(draft));
    } catch {
      // Still no room: it goes on waiting where it is.
    }
    const isAllKept = this.unkept.length === 0 && !this.wordsWait;
    if (isAllKept) this.isTight = false;
    return isAllKept;
  }

  /** Leave out on purpose what is still not kept once a running attempt has ended. */
  async leaveOut(): Promise<void> {
    await this.trying;
    for (const { note, settle } of this.unkept) {
      strike(note);
      settle(null);
    }
    this.unkept = [];
  }

  /** Keep what is being typed: noted at once, and in the database as soon as that has it. */
  async type(draft: string, words: unknown): Promise<void> {
    const { name, store } = this.store();
    this.typed.set(draft, words);
    noteWords(name, draft, words);
    try {
      await this.withRoom(store, () => store.put("drafts", words, draft));
      strikeWords(name, draft, words);
      this.waiting.delete(draft);
    } catch {
      if (this.typed.has(draft)) this.waiting.add(draft);
    }
    this.wordsWait = this.waiting.size > 0;
  }

  /** What was typed and has not become a step, undefined when nothing was. */
  async words(draft: string): Promise<unknown> {
    const { name, store } = this.store();
    return this.typed.get(draft) ?? readWords(name, draft) ?? (await store.get("drafts", draft));
  }

  private forget(name: string, draft: string): void {
    strikeWords(name, draft);
    this.typed.delete(draft);
    this.waiting.delete(draft);
    this.wordsWait = this.waiting.size > 0;
  }

  /** Keep the steps on which the page was ended before the database had them. */
  async finishNoted(): Promise<void> {
    const { name } = this.store();
    for (const { key, taps, tapped } of listTaps(name)) {
      await this.write(taps, tapped, key).catch((error) => void this.wait(taps, tapped, key, error));
    }
  }
}
