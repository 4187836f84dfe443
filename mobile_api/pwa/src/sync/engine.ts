/**
 * Keeps phone and server together: sends, reads, uploads, listens; backs off where nobody answers.
 *
 * Nothing waits for it. Pages read the store and write to the outbox; the engine is told that there is
 * something to do and says when something has changed.
 */
import { type Store, getMeta, setMeta } from "../store/database.ts";
import { isNoRoom } from "../store/room.ts";
import { Refused, type Request, Unreachable, postJson } from "./http.ts";
import { newDeviceKey } from "./keys.ts";
import { pull } from "./pull.ts";
import { push } from "./push.ts";
import { follow } from "./stream.ts";
import { upload } from "./uploads.ts";
import type { Problem, Registration } from "./wire.ts";

export const SCHEMA = 5;

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** Where no stream gets through, and for what a poke may have missed. */
const ROUND_MS = 60_000;

export type LineState = "online" | "offline" | "signed-out" | "too-old" | "refused";

export interface Status {
  line: LineState;
  isBusy: boolean;
  problem: Problem | null;
  /** What the server told could not be kept here. */
  hasNoRoom: boolean;
}

export interface EngineOptions {
  url: string;
  store: Store;
  changed: () => void;
  /** Runs one of several open tabs at a time. */
  alone?: <Result>(work: () => Promise<Result>) => Promise<Result>;
}

export class Engine {
  status: Status = { line: "offline", isBusy: false, problem: null, hasNoRoom: false };

  private readonly ended = new AbortController();
  private readonly alone: NonNullable<EngineOptions["alone"]>;
  private running: Promise<void> | null = null;
  private isWanted = false;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wake: (() => void) | null = null;

  constructor(private readonly options: EngineOptions) {
    this.alone = options.alone ?? ((work) => work());
  }

  /** Begin to listen and to look by itself. */
  start(): void {
    void this.listen();
    this.nudge();
  }

  /** Something was done, the line came back, the app became visible: do not wait any longer. */
  nudge(): void {
    this.failures = 0;
    this.wake?.();
    void this.sync();
  }

  /** Send and read everything; resolves when it is done or when nobody answers. Calls while it runs join. */
  sync(): Promise<void> {
    this.isWanted = true;
    this.running ??= this.run().finally(() => {
      this.running = null;
      if (this.isWanted && !this.ended.signal.aborted) void this.sync();
    });
    return this.running;
  }

  async stop(): Promise<void> {
    this.ended.abort();
    clearTimeout(this.timer);
    this.wake?.();
    await this.running?.catch(() => {});
  }

  private async run(): Promise<void> {
    clearTimeout(this.timer);
    let pause: number | null = ROUND_MS;
    this.tell({ isBusy: true });
    try {
      while (this.isWanted && !this.ended.signal.aborted) {
        this.isWanted = false;
        await this.alone(() => this.round());
      }
      this.failures = 0;
      this.tell({ line: "online", problem: null, hasNoRoom: false });
    } catch (error) {
      this.isWanted = false;
      pause = this.pauseAfter(error);
    } finally {
      this.tell({ isBusy: false });
      if (pause !== null && !this.ended.signal.aborted) this.timer = setTimeout(() => void this.sync(), pause);
    }
  }

  /** Small things first: intents, then what the office changed, then photos. */
  private async round(): Promise<void> {
    const { store, url } = this.options;
    const request = await this.request();
    if (request === null) return;
    await push(store, url, request);
    this.tell({ line: "online" });
    await pull(store, url, request);
    this.options.changed();
    while ((await push(store, url, request)) > 0) await pull(store, url, request);
    if ((await upload(store, url, request)) > 0) await pull(store, url, request);
    this.options.changed();
  }

  private async request(): Promise<Request | null> {
    const registration = await getMeta(this.options.store, "registration");
    if (!registration) {
      this.tell({ line: "signed-out" });
      return null;
    }
    return { token: registration.token, signal: this.ended.signal };
  }

  /** How long to wait, null where trying again is of no use before somebody does something. */
  private pauseAfter(error: unknown): number | null {
    this.failures += 1;
    const backoff = Math.min(FIRST_PAUSE_MS * 2 ** (this.failures - 1), LONGEST_PAUSE_MS);
    const pause = backoff * (0.5 + Math.random() / 2);
    if (error instanceof Unreachable) {
      this.tell({ line: "offline", problem: null });
      return pause;
    }
    if (!(error instanceof Refused)) {
      this.tell({ problem: { title: String(error) }, hasNoRoom: isNoRoom(error) });
      return pause;
    }
    const { status, problem, retryAfterMs } = error;
    if (status === 401) this.tell({ line: "signed-out", problem });
    else if (status === 426) this.tell({ line: "too-old", problem });
    else if (status === 403) this.tell({ line: "refused", problem });
    else this.tell({ line: "offline", problem });
    return status === 401 ? null : Math.max(pause, retryAfterMs ?? 0);
  }

  private async listen(): Promise<void> {
    const { store, url } = this.options;
    let failures = 0;
    while (!this.ended.signal.aborted) {
      let pause = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
      const request = await this.request();
      if (request !== null) {
        try {
          await follow(url, request, (await getMeta(store, "head")) ?? 0, ({ kind, data }) => {
            failures = 0;
            if (kind === "bye") pause = data.retry_ms ?? pause;
            else void this.sync();
          });
        } catch {
          failures += 1;
        }
      }
      if (!this.ended.signal.aborted) await this.sleep(pause * (0.5 + Math.random() / 2));
    }
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => (clearTimeout(timer), resolve());
    });
  }

  private tell(change: Partial<Status>): void {
    if (this.ended.signal.aborted) return;
    this.status = { ...this.status, ...change };
    this.options.changed();
  }
}

/**
 * Register this installation with a person's access token. The same installation gets a new token and goes on
 * with its numbers; one that has lost its data is told where to go on.
 */
export async function register(store: Store, url: string, access: string, app: string): Promise<void> {
  const key = (await getMeta(store, "key")) ?? (await newDeviceKey());
  const body = {
    install_id: await getMeta(store, "install_id"),
    platform: globalThis.navigator?.userAgent?.slice(0, 60) ?? "",
    app,
    schema: SCHEMA,
    ...(key ? { key: key.published } : {}),
  };
  const registration = await postJson<Registration>(`${url}/sync/v1/devices`, body, { token: access });
  const known = (await getMeta(store, "next_seq")) ?? 1;
  await setMeta(store, { registration, key, next_seq: Math.max(known, registration.next_seq) });
}
