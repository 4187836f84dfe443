// The app's store and sync engine under Node, as one phone that a test drives. Nothing of the app is replaced:
// IndexedDB is fake-indexeddb, everything else is what Node and browsers share.
import { pathToFileURL } from "node:url";
import { converse } from "../../node/conversation.mjs";
import { bundled, need } from "./bundle.mjs";

await import(pathToFileURL(need.resolve("fake-indexeddb/auto")));

const app = await bundled("src/phone.ts");
const [url, access, name] = process.argv.slice(2);
const store = await app.openStore(name);
await app.setMeta(store, { install_id: name });
await app.register(store, url, access, "test");
let engine;

function startEngine() {
  engine = new app.Engine({ url, store, changed: () => {} });
  engine.start();
}

const bytesOf = (text) => Uint8Array.from(Buffer.from(text, "base64")).buffer;

await converse({
  device: async () => {
    const { device_id, token } = await app.getMeta(store, "registration");
    return { device_id, token };
  },
  // A person signs in anew on this phone, as after a restore that knows nothing of it.
  async signInAgain() {
    await app.register(store, url, access, "test");
    engine.nudge();
  },
  online: startEngine,
  async offline() {
    await engine?.stop();
  },
  nudge: () => engine.nudge(),
  async record({ type, data, isHeld }) {
    const [entry] = await app.record(store, [{ type, data, isHeld }]);
    return entry.id;
  },
  undo: ({ id }) => app.undo(store, id),
  async photo({ visit_id, item, content }) {
    const bytes = bytesOf(content);
    const tap = await app.photoTap({ visit_id, item, slot: 0, bytes, mime: "image/jpeg", thumbnail: null });
    await app.record(store, [tap]);
    return tap.photo.kept.photo_id;
  },
  async spoil({ photo_id }) {
    const bytes = new Uint8Array(await store.get("bytes", photo_id));
    bytes[0] ^= 1;
    await store.put("bytes", bytes.buffer, photo_id);
  },
  // Nothing is left to send or to bring, as far as the phone knows.
  async isQuiet() {
    const [open, fresh, waiting] = [
      await store.countFromIndex("outbox", "open"),
      await store.countFromIndex("outbox", "fresh"),
      await store.countFromIndex("photos", "waiting"),
    ];
    return open + fresh + waiting === 0;
  },
  // What no phone should do, and a bug might: forget a row.
  forget: ({ c, id }) => store.delete("rows", [c, id]),
  async rows() {
    return (await store.getAll("rows")).map(({ c, id, rev, d }) => ({ c, id, rev, d }));
  },
  outbox: () => store.getAll("outbox"),
  photos: async () => {
    const kept = new Set(await store.getAllKeys("bytes"));
    return (await store.getAll("photos")).map((photo) => ({ ...photo, has_bytes: kept.has(photo.photo_id) }));
  },
  async shown({ visit_id }) {
    return app.overlay(await store.get("rows", ["visits", visit_id]).then((row) => row?.d), await store.getAllFromIndex("outbox", "fresh"));
  },
  status: () => engine.status,
  meta: ({ name: member }) => app.getMeta(store, member),
});
