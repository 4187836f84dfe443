/** The app's one state: whose phone, what is known, how the line is, and what the technician can do about it. */
import { announce } from "$common/announce.svelte.ts";
import { t } from "$common/messages.ts";
import { type Opened, enrol, openAccount, reopen, signIn, signOut } from "./account.ts";
import { bringAhead } from "./documents.ts";
import { Keeping } from "./keeping.svelte.ts";
import { type Entry, setMeta } from "./store/database.ts";
import { type Tap, findHeld, undo } from "./store/outbox.ts";
import { makeRoom } from "./store/room.ts";
import { understand } from "./store/rows.ts";
import { type Spare, keepBeside, readSpare } from "./store/spare.ts";
import { Engine, type Status } from "./sync/engine.ts";
import { keepShellAgain } from "./update.svelte.ts";
import { type World, readWorld } from "./world.ts";

export const VERSION = "1.0";
const URL_ = location.origin;
/** How a database says that it is gone: in a transaction, between two of them, to a request on its way. */
const TAKEN_AWAY = new Set(["AbortError", "InvalidStateError", "UnknownError"]);

class App {
  opened = $state.raw<Opened | null>(null);
  world = $state.raw<World | null>(null);
  status = $state.raw<Status>({ line: "offline", isBusy: false, problem: null, hasNoRoom: false });
  /** The tap that can be undone, and until when. */
  held = $state.raw<Entry | null>(null);
  now = $state(Date.now());
  readonly keeping = new Keeping(() => {
    const { account, store } = this.opened!;
    return { name: account.store, store, head: this.spare?.meta.head };
  });

  private engine: Engine | null = null;
  private others = new BroadcastChannel("fsm-app");
  private reading: Promise<void> | null = null;
  private isStale = false;
  private isBringing = false;
  private spare: Spare | null = null;

  async begin(): Promise<void> {
    const opened = await openAccount(() => this.putBack());
    if (opened) await this.use(opened);
    setInterval(() => (this.now = Date.now()), 1_000);
    this.others.onmessage = () => this.refresh();
    // A database that is taken away ends every transaction and request: that is heard once, as `closed`.
    addEventListener("unhandledrejection", (event) => {
      if (event.reason instanceof DOMException && TAKEN_AWAY.has(event.reason.name)) event.preventDefault();
    });
    addEventListener("online", () => this.engine?.nudge());
    document.addEventListener("visibilitychange", () => document.hidden || this.engine?.nudge());
  }

  async signIn(login: string, password: string): Promise<void> {
    await this.use(await signIn(URL_, login, password, VERSION, () => this.putBack()));
  }

  async enrol(code: string): Promise<void> {
    await this.use(await enrol(URL_, code, VERSION, () => this.putBack()));
  }

  async signOut(): Promise<void> {
    await this.engine?.stop();
    await signOut(this.opened!);
    this.engine = null;
    this.keeping.typed.clear();
    this.opened = this.world = this.spare = null;
  }

  private async use(opened: Opened): Promise<void> {
    await this.engine?.stop();
    this.opened = opened;
    await this.keeping.finishNoted();
    await this.look();
    this.engine = new Engine({ url: URL_, store: opened.store, changed: () => this.changed(), alone });
    this.engine.start();
    void navigator.storage?.persist?.();
    void navigator.serviceWorker?.ready.then(({ active }) => active?.postMessage("bring the rest"));
  }

  /** The browser erased the database under the open app: fill a new one with what this page still knows. */
  private async putBack(): Promise<void> {
    const { opened, spare } = this;
    if (!opened || !spare) return;
    await this.engine?.stop();
    const again = await reopen(opened.account, spare, () => this.putBack());
    this.keeping.isTight = false; // nothing lies in the new one
    await this.use(again);
    for (const [draft, words] of this.keeping.typed) await this.keeping.type(draft, words);
    await this.keeping.tryAgain();
    void keepShellAgain();
    announce(t("app.erased.open"));
  }

  /** Keep what was done; it is sent when there is a line. Null when the phone could not, and it was left out. */
  async do(...taps: Tap[]): Promise<Entry[] | null> {
    const entries = await this.keeping.do(taps);
    if (entries) {
      await this.read();
      this.others.postMessage("changed");
      this.engine?.nudge();
    }
    return entries;
  }

  /** A photo's own bytes, while they are here. */
  bytesOf(photo_id: string): Promise<ArrayBuffer | undefined> {
    return this.opened!.store.get("bytes", photo_id);
  }

  async undo(): Promise<void> {
    if (this.held && (await undo(this.opened!.store, this.held.id))) announce(t("app.undone"));
    await this.read();
  }

  /** The technician has read what the browser erased. */
  async understood(): Promise<void> {
    await setMeta(this.opened!.store, { erased: null });
    await this.read();
  }

  /** The technician has read that a visit was moved. */
  async understoodMove(visit: string): Promise<void> {
    await understand(this.opened!.store, visit);
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
    const hadRoom = !this.status.hasNoRoom;
    if (this.engine) this.status = this.engine.status;
    this.refresh();
    if (hadRoom && this.status.hasNoRoom) void this.makeRoom();
    if (!wasBusy || this.status.isBusy) return;
    if (this.keeping.unkept.length || this.keeping.wordsWait) void this.keeping.tryAgain(); // sent photos leave room
    if (this.status.line === "online") void this.bringDocuments();
  }

  private async makeRoom(): Promise<void> {
    this.keeping.isTight = true;
    if (await makeRoom(this.opened!.store)) this.engine?.nudge();
  }

  private async bringDocuments(): Promise<void> {
    if (this.isBringing || this.keeping.isTight || !this.opened || !this.world) return;
    this.isBringing = true;
    const { store } = this.opened;
    this.keeping.isTight = !(await bringAhead(store, this.world.documents.values()).finally(() => (this.isBringing = false)));
  }

  /** Read the store; calls while it is read lead to one more reading. */
  private async read(): Promise<void> {
    this.isStale = true;
    this.reading ??= (async () => {
      while (this.isStale && this.opened) {
        this.isStale = false;
        await this.look().catch(() => {}); // the browser has just erased it: it is put back
      }
    })().finally(() => (this.reading = null));
    await this.reading;
    if (this.held) setTimeout(() => this.engine?.nudge(), this.held.held_until! - Date.now() + 50);
  }

  private async look(): Promise<void> {
    const { account, store } = this.opened!;
    const [world, held, spare] = await Promise.all([readWorld(store), findHeld(store), readSpare(store)]);
    const known = this.world?.moved;
    if (known && Object.keys(world.moved).some((visit) => !known[visit])) announce(t("app.taken.moved"));
    this.world = world;
    this.held = held;
    if (!spare.meta.sentinel) return;
    keepBeside(account.store, spare);
    this.spare = { ...spare, rows: world.rows };
  }
}

/** Of several open tabs one sends at a time. */
function alone<Result>(work: () => Promise<Result>): Promise<Result> {
  return navigator.locks ? (navigator.locks.request("fsm-sync", work) as Promise<Result>) : work();
}

export const app = new App();
