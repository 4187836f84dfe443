/**
 * The phone's own signature, and the server's on receipts: Ed25519 of the browser's Web Crypto.
 *
 * A browser without Ed25519 registers no key and chains nothing, which refuses nothing. It cannot check
 * receipts either, so it keeps every photo.
 */
import { canonical } from "../../closing/canonical.js";
import { type Bytes, decoded, encoded, sha256, utf8 } from "./bytes.ts";
import type { Intent, Link, Receipt, ReceiptKey } from "./wire.ts";

const ED25519 = { name: "Ed25519" };
const PREFIX = "ed25519:";

export interface DeviceKey {
  /** As it is registered: `ed25519:<base64url>`. */
  published: string;
  /** Cannot be taken out of the browser. */
  secret: CryptoKey;
}

export async function newDeviceKey(): Promise<DeviceKey | null> {
  try {
    const pair = (await crypto.subtle.generateKey(ED25519, false, ["sign", "verify"])) as CryptoKeyPair;
    const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    return { published: PREFIX + encoded(raw), secret: pair.privateKey };
  } catch {
    return null;
  }
}

/** Return an intent's link after `previous`: its hash over that and the intent's RFC 8785 form, signed. */
export async function link(key: DeviceKey, previous: Bytes, intent: Intent): Promise<Link> {
  const { chain: _, ...record } = intent;
  const body = utf8(canonical(record));
  const both = new Uint8Array(previous.length + body.length);
  both.set(previous);
  both.set(body, previous.length);
  const hash = await sha256(both);
  const signature = new Uint8Array(await crypto.subtle.sign(ED25519, key.secret, hash));
  return { prev: encoded(previous), h: encoded(hash), sig: encoded(signature) };
}

/** Whether one of the server's keys signed that exactly these bytes arrived. */
export async function isGenuine(
  receipt: Receipt,
  photo: { photo_id: string; sha256: string; size: number },
  keys: ReceiptKey[],
): Promise<boolean> {
  const { signature, ...signed } = receipt;
  const { photo_id, sha256: digest, size, device_id, received_at, kid } = signed;
  if (photo_id !== photo.photo_id || digest !== photo.sha256 || size !== photo.size) return false;
  const known = keys.find((one) => one.kid === kid);
  if (known === undefined) return false;
  try {
    const key = await crypto.subtle.importKey("raw", decoded(known.key.slice(PREFIX.length)), ED25519, false, [
      "verify",
    ]);
    const form = utf8(canonical({ photo_id, sha256: digest, size, device_id, received_at, kid }));
    return await crypto.subtle.verify(ED25519, key, decoded(signature), form);
  } catch {
    return false;
  }
}
