/** What the app is without its pages: store, outbox and engine. Tests drive this under Node. */
export { getMeta, openStore, setMeta } from "./store/database.ts";
export { overlay } from "./store/overlay.ts";
export { record, undo } from "./store/outbox.ts";
export { photoTap } from "./store/taking.ts";
export { Engine, register } from "./sync/engine.ts";
