/** Photos over tus 1.0: resumed where the server says, byte for byte what was hashed when they were taken. */
import type { KeptPhoto, Store } from "../store/database.ts";
import { listWaiting, soundBytes, update } from "../store/photos.ts";
import { Refused, type Request, ask } from "./http.ts";

const TUS = { "Tus-Resumable": "1.0.0" };
/** Small enough that a bad line loses little, large enough that a good one is not kept waiting. */
const PIECE = 262_144;

/** Send every photo that the server lacks; returns how many arrived. One that is refused holds up no other. */
export async function upload(store: Store, url: string, request: Request): Promise<number> {
  let arrived = 0;
  for (const photo of await listWaiting(store)) {
    if (photo.is_sent || photo.is_damaged) continue;
    try {
      await sendPhoto(store, url, request, photo);
      arrived += 1;
    } catch (error) {
      if (!(error instanceof Refused) || error.status === 401 || error.status === 403) throw error;
      if (error.status === 429 || error.status >= 500) throw error;
      // Expired, gone or at odds with what is there: from the beginning, next time.
      await update(store, photo.photo_id, { upload_url: undefined, offset: 0 });
    }
  }
  return arrived;
}

async function sendPhoto(store: Store, url: string, request: Request, photo: KeptPhoto): Promise<void> {
  const bytes = await soundBytes(store, photo);
  if (bytes === null) {
    await update(store, photo.photo_id, { is_damaged: true });
    return;
  }
  let place = photo.upload_url ? await offsetOf(request, photo.upload_url) : null;
  if (place === null) {
    place = await create(url, request, photo);
    await update(store, photo.photo_id, { upload_url: place.url, offset: place.offset });
  }
  while (place.offset < photo.size) {
    const offset = await append(request, place.url, place.offset, bytes.slice(place.offset, place.offset + PIECE));
    place = { ...place, offset };
    await update(store, photo.photo_id, { offset });
  }
  await update(store, photo.photo_id, { is_sent: true, offset: photo.size });
}

interface Place {
  url: string;
  offset: number;
}

async function create(url: string, request: Request, photo: KeptPhoto): Promise<Place> {
  const metadata = `photo_id ${btoa(photo.photo_id)},sha256 ${btoa(photo.sha256)}`;
  const headers = { ...TUS, "Upload-Length": String(photo.size), "Upload-Metadata": metadata };
  return ask(`${url}/files`, { ...request, method: "POST", headers }, async (answer) => ({
    // The address that the server gives, at the origin that we know it by.
    url: new URL(new URL(answer.headers.get("Location")!, `${url}/files`).pathname, url).href,
    offset: Number(answer.headers.get("Upload-Offset") ?? 0),
  }));
}

/** How far an upload of before has come; null when the server no longer has it. */
async function offsetOf(request: Request, url: string): Promise<Place | null> {
  try {
    return await ask(url, { ...request, method: "HEAD", headers: TUS }, async (answer) => ({
      url,
      offset: Number(answer.headers.get("Upload-Offset")),
    }));
  } catch (error) {
    if (error instanceof Refused && [404, 410].includes(error.status)) return null;
    throw error;
  }
}

async function append(request: Request, url: string, offset: number, piece: ArrayBuffer): Promise<number> {
  const headers = { ...TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) };
  try {
    return await ask(url, { ...request, method: "PATCH", headers, body: piece }, async (answer) =>
      Number(answer.headers.get("Upload-Offset")),
    );
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 409) throw error;
    const place = await offsetOf(request, url); // an answer was lost: the bytes are there already
    if (place === null || place.offset === offset) throw error;
    return place.offset;
  }
}
