/** From bytes to the intent that declares them: hashed as they will be sent. */
import { hex, sha256, uuidv7 } from "../sync/bytes.ts";
import type { Tap } from "./outbox.ts";

export interface Taken {
  visit_id: string;
  item: string;
  slot: number;
  bytes: ArrayBuffer;
  mime: string;
  thumbnail: ArrayBuffer | null;
  position?: { latitude: number; longitude: number; accuracy_m: number };
}

export async function photoTap(taken: Taken, now = Date.now()): Promise<Tap & { photo: NonNullable<Tap["photo"]> }> {
  const { visit_id, item, slot, bytes, mime, thumbnail, position } = taken;
  const photo_id = uuidv7(now);
  const captured_at = new Date(now).toISOString();
  const digest = hex(await sha256(bytes));
  const size = bytes.byteLength;
  return {
    type: "photo.add",
    data: { photo_id, visit_id, item, slot, sha256: digest, size, mime, captured_at, ...(position && { position }) },
    photo: {
      kept: {
        photo_id,
        visit_id,
        item,
        slot,
        sha256: digest,
        size,
        mime,
        captured_at,
        thumbnail,
        offset: 0,
        waiting: 1,
      },
      bytes,
    },
  };
}
