/// <reference lib="webworker" />
/**
 * Keeps the app's own files on the phone, all of one build. Data never passes through here: what pages read is
 * in the database. A new version waits until the page says that nobody is in the middle of something.
 */
declare const self: ServiceWorkerGlobalScope;
declare const __SHELL__: string[];
declare const __LATER__: string[];
declare const __BUILD__: string;

const SHELL = `shell-${__BUILD__}`;
const FIRST = "index";

/** Not every browser has it, and TypeScript does not know it yet. */
interface Routing {
  addRoutes?(rule: { condition: { urlPattern: string }; source: "network" }): Promise<void>;
}

self.addEventListener("install", (event) => {
  // Without this each call of the server wakes the worker, which has nothing to say to it; and one that comes
  // while it makes way for a newer one keeps it for as long as calls go on.
  void (event as Routing).addRoutes?.({ condition: { urlPattern: "/sync/*" }, source: "network" });
  event.waitUntil(
    caches.open(SHELL).then((cache) => cache.addAll(__SHELL__.map((path) => new Request(path, { cache: "reload" })))),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== SHELL).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("message", ({ data }) => {
  if (data === "take over") void self.skipWaiting();
  // The scanner is large and not always needed: it is brought once somebody has signed in.
  if (data === "bring the rest") {
    void caches.open(SHELL).then(async (cache) => {
      for (const path of __LATER__) if (!(await cache.match(path))) await cache.add(path).catch(() => {});
    });
  }
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin || !pathname.startsWith("/app")) return;
  const wanted = request.mode === "navigate" ? new URL(FIRST, self.location.href).href : request;
  event.respondWith(
    caches.open(SHELL).then(async (cache) => (await cache.match(wanted, { ignoreVary: true })) ?? fetch(request)),
  );
});

export {};
