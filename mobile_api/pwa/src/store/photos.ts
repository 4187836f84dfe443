/** Photos: bytes stay here until the server has signed that it has exactly these. */
import { hex, sha256 } from "../sync/bytes.ts";
import { isGenuine } from "../sync/keys.ts";
import type { Receipt } from "../sync/wire.ts";
import { type KeptPhoto, type Store, getMeta, quietly } from "./database.ts";

/** Photos whose receipt is missing, small ones first: a signature should not wait behind a picture. */
export async function listWaiting(store: Store): Promise<KeptPhoto[]> {
  return (await store.getAllFromIndex("photos", "waiting")).sort((a, b) => a.size - b.size);
}

export async function update(store: Store, photo_id: string, change: Partial<KeptPhoto>): Promise<void> {
  const writing = store.transaction("photos", "readwrite");
  const photo = await writing.store.get(photo_id);
  if (photo) quietly(writing.store.put({ ...photo, ...change }));
  await writing.done;
}

/** Return the bytes if they are still what they were when the photo was taken. */
export async function soundBytes(store: Store, photo: KeptPhoto): Promise<ArrayBuffer | null> {
  const bytes = await store.get("bytes", photo.photo_id);
  return bytes && hex(await sha256(bytes)) === photo.sha256 ? bytes : null;
}

/** Let go of the bytes whose receipt has come; send again what arrived broken. Returns whether anything is to send. */
export async function takeReceipts(store: Store): Promise<void> {
  const keys = (await getMeta(store, "registration"))?.receipt_keys ?? [];
  for (const photo of await listWaiting(store)) {
    const row = (await store.get("rows", ["photos", photo.photo_id]))?.d;
    if (row === undefined) continue;
    const receipt = row.receipt as Receipt | null;
    if (receipt && (await isGenuine(receipt, photo, keys))) await letGo(store, photo);
    else if (row.state === "corrupt" && photo.is_sent) {
      await update(store, photo.photo_id, { is_sent: false, offset: 0, upload_url: undefined });
    }
  }
}

async function letGo(store: Store, photo: KeptPhoto): Promise<void> {
  const writing = store.transaction(["photos", "bytes"], "readwrite");
  const { waiting: _, ...received } = (await writing.objectStore("photos").get(photo.photo_id))!;
  quietly(writing.objectStore("photos").put(received));
  quietly(writing.objectStore("bytes").delete(photo.photo_id));
  await writing.done;
}

/** The server was set back: uploads that it confirmed may be gone with it. */
export async function sendAgain(store: Store): Promise<void> {
  for (const photo of await listWaiting(store)) {
    await update(store, photo.photo_id, { is_sent: false, offset: 0, upload_url: undefined });
  }
}
