/**
 * A new version of the app waits beside the old one until nobody is in the middle of something. What is unsent
 * lies in the database and is not touched by it; still, nobody likes a page that changes under their thumb.
 */
import { untrack } from "svelte";

const IDLE_MS = 30_000;

export const update = $state({ isReady: false, busy: 0 });

let registration: ServiceWorkerRegistration | null = null;
let touchedAt = Date.now();
/** The next worker is no newer version: it is this one, kept again. */
let isPuttingBack = false;

/** Have the app's files kept on the phone. */
export function keepShell(): void {
  if (!("serviceWorker" in navigator)) return;
  void navigator.serviceWorker.register("sw.js").then((registered) => {
    registration = registered;
    watch(registered);
    registered.addEventListener("updatefound", () => watch(registered));
  });
}

/** The browser has erased what was kept: have the files kept again, if they were erased with it. */
export async function keepShellAgain(): Promise<void> {
  if (!("serviceWorker" in navigator) || (await navigator.serviceWorker.getRegistration()) !== undefined) return;
  if (!navigator.onLine) await new Promise((resolve) => addEventListener("online", resolve, { once: true }));
  isPuttingBack = true;
  keepShell();
}

/** Take a new version as soon as nobody is in the middle of something. */
export function followUpdates(): void {
  if (!("serviceWorker" in navigator)) return;
  const hadController = navigator.serviceWorker.controller !== null;
  navigator.serviceWorker.addEventListener("controllerchange", () => {
    if (isPuttingBack) isPuttingBack = false;
    else if (hadController) location.reload();
  });
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => (touchedAt = Date.now()), { passive: true });
  setInterval(whenIdle, 5_000);
  document.addEventListener("visibilitychange", whenIdle);
}

function watch(registered: ServiceWorkerRegistration): void {
  registered.installing?.addEventListener("statechange", look);
  look();
}

/** A worker may say that it is installed a moment before its registration knows that it waits. */
function look(): void {
  update.isReady = Boolean(registration?.waiting && navigator.serviceWorker.controller);
}

function whenIdle(): void {
  look();
  const isIdle = document.hidden || Date.now() - touchedAt > IDLE_MS;
  if (update.isReady && update.busy === 0 && isIdle) takeUpdate();
}

/** Look for a new version now. */
export function lookForUpdate(): void {
  void registration?.update();
}

export function takeUpdate(): void {
  registration?.waiting?.postMessage("take over");
}

/** Keep updates away while something is open that a reload would close: a camera, a signature, a dialog. */
export function whileBusy(): () => void {
  untrack(() => (update.busy += 1));
  return () => (update.busy -= 1);
}
