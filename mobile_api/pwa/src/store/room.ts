/**
 * When the phone is full. Everything here that the server has too is let go of first: the documents of machines,
 * and a reserve that is kept for this moment, so that steps are still kept and those before them still sent.
 */
import type { Store } from "./database.ts";

const RESERVE = "reserve";
const RESERVE_BYTES = 1_000_000;
/** As many random bytes as a browser gives at once; others would be packed to nothing. */
const MOST_RANDOM = 65_536;

export function isNoRoom(error: unknown): boolean {
  return error instanceof DOMException && error.name === "QuotaExceededError";
}

/** Let go of what can be had again; false when there was nothing. */
export async function makeRoom(store: Store): Promise<boolean> {
  const had = await store.count("files");
  if (had) await store.clear("files");
  return had > 0;
}

/** Keep the reserve, as long as there is room; throws when there is none. */
export async function keepReserve(store: Store): Promise<void> {
  if ((await store.getKey("files", RESERVE)) !== undefined) return;
  const bytes = new Uint8Array(RESERVE_BYTES);
  for (let at = 0; at < bytes.length; at += MOST_RANDOM) crypto.getRandomValues(bytes.subarray(at, at + MOST_RANDOM));
  await store.put("files", { bytes: bytes.buffer, mime: "" }, RESERVE);
}
