/** The app's one state: whose phone, what is known, how the line is, and what the technician can do about it. */
import { announce } from "$common/announce.svelte.ts";
import { t } from "$common/messages.ts";
import { type Opened, enrol, openAccount, signIn, signOut } from "./account.ts";
import { bringAhead } from "./documents.ts";
import type { Entry } from "./store/database.ts";
import { type Tap, findHeld, record, undo } from "./store/outbox.ts";
import { Engine, type Status } from "./sync/engine.ts";
import { type World, readWorld } from "./world.ts";

export const VERSION = "1.0";
const URL_ = location.origin;

class App {
  opened = $state.raw<Opened | null>(null);
  world = $state.raw<World | null>(null);
  status = $state.raw<Status>({ line: "offline", isBusy: false, problem: null });
  /** The tap that can be undone, and until when. */
  held = $state.raw<Entry | null>(null);
  /** The phone cannot keep anything more. */
  isFull = $state(false);
  now = $state(Date.now());

  private engine: Engine | null = null;
  private others = new BroadcastChannel("fsm-app");
  private reading: Promise<void> | null = null;
  private isStale = false;
  private doing = new Map<string, Promise<Entry[]>>();
  private isBringing = false;

  async begin(): Promise<void> {
    const opened = await openAccount();
    if (opened) await this.use(opened);
    setInterval(() => (this.now = Date.now()), 1_000);
    this.others.onmessage = () => this.refresh();
    addEventListener("online", () => this.engine?.nudge());
    document.addEventListener("visibilitychange", () => document.hidden || this.engine?.nudge());
  }

  async signIn(login: string, password: string): Promise<void> {
    await this.use(await signIn(URL_, login, password, VERSION));
  }

  async enrol(code: string): Promise<void> {
    await this.use(await enrol(URL_, code, VERSION));
  }

  async signOut(): Promise<void> {
    await this.engine?.stop();
    await signOut(this.opened!);
    this.engine = null;
    this.opened = this.world = null;
  }

  private async use(opened: Opened): Promise<void> {
    await this.engine?.stop();
    this.opened = opened;
    this.world = await readWorld(opened.store);
    this.engine = new Engine({ url: URL_, store: opened.store, changed: () => this.changed(), alone });
    this.engine.start();
    void navigator.storage?.persist?.();
    void navigator.serviceWorker?.ready.then(({ active }) => active?.postMessage("bring the rest"));
  }

  /**
   * Keep what was done; it is sent when there is a line. Throws when the phone has no room left. The same again
   * before it is kept and shown is the second tap of a hurried thumb: it counts once.
   */
  do(...taps: Tap[]): Promise<Entry[]> {
    const same = JSON.stringify(taps);
    const doing = this.doing.get(same) ?? this.keep(taps).finally(() => this.doing.delete(same));
    this.doing.set(same, doing);
    return doing;
  }

  private async keep(taps: Tap[]): Promise<Entry[]> {
    try {
      const entries = await record(this.opened!.store, taps);
      this.isFull = false;
      await this.read();
      this.others.postMessage("changed");
      this.engine?.nudge();
      return entries;
    } catch (error) {
      if (error instanceof DOMException && error.name === "QuotaExceededError") this.isFull = true;
      throw error;
    }
  }

  async undo(): Promise<void> {
    if (this.held && (await undo(this.opened!.store, this.held.id))) announce(t("app.undone"));
    await this.read();
  }

  syncNow(): void {
    this.engine?.nudge();
  }

  refresh(): void {
    void this.read();
  }

  private changed(): void {
    const wasBusy = this.status.isBusy;
    if (this.engine) this.status = this.engine.status;
    this.refresh();
    if (wasBusy && !this.status.isBusy && this.status.line === "online") void this.bringDocuments();
  }

  private async bringDocuments(): Promise<void> {
    if (this.isBringing || !this.opened || !this.world) return;
    this.isBringing = true;
    await bringAhead(this.opened.store, this.world.documents.values()).finally(() => (this.isBringing = false));
  }

  /** Read the store; calls while it is read lead to one more reading. */
  private async read(): Promise<void> {
    this.isStale = true;
    this.reading ??= (async () => {
      while (this.isStale && this.opened) {
        this.isStale = false;
        const [world, held] = await Promise.all([readWorld(this.opened.store), findHeld(this.opened.store)]);
        this.world = world;
        this.held = held;
      }
    })().finally(() => (this.reading = null));
    await this.reading;
    if (this.held) setTimeout(() => this.engine?.nudge(), this.held.held_until! - Date.now() + 50);
  }
}

/** Of several open tabs one sends at a time. */
function alone<Result>(work: () => Promise<Result>): Promise<Result> {
  return navigator.locks ? (navigator.locks.request("fsm-sync", work) as Promise<Result>) : work();
}

export const app = new App();
