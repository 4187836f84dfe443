/** Documents of machines: asked for once, by the hash of their bytes, and kept for a day without a line. */
import { type Store, getMeta } from "./store/database.ts";
import { isNoRoom, keepReserve } from "./store/room.ts";
import { ask } from "./sync/http.ts";
import type { Body } from "./sync/wire.ts";

/** What is brought without being asked for. */
const SMALL = 2_000_000;

export async function bringDocument(store: Store, document: Body): Promise<{ bytes: ArrayBuffer; mime: string } | null> {
  const kept = await store.get("files", document.sha256);
  if (kept) return kept;
  const token = (await getMeta(store, "registration"))?.token ?? null;
  const bytes = await ask(`${location.origin}${document.url}`, { token }, (answer) => answer.arrayBuffer());
  const file = { bytes, mime: document.mime as string };
  await store.put("files", file, document.sha256).catch(() => {}); // a full phone opens it all the same
  return file;
}

/**
 * Bring the small documents of the machines that are on the phone, so that they open without a line, and keep a
 * reserve. Returns false when there is no room for more.
 */
export async function bringAhead(store: Store, documents: Iterable<Body>): Promise<boolean> {
  try {
    await keepReserve(store);
  } catch (error) {
    return !isNoRoom(error); // a database that was just taken away is no full phone
  }
  for (const document of documents) {
    if (document.size > SMALL || (await store.getKey("files", document.sha256)) !== undefined) continue;
    const brought = await bringDocument(store, document).catch(() => null);
    if (brought && (await store.getKey("files", document.sha256)) === undefined) return false;
  }
  return true;
}
