/** Sending the outbox: in the device's order, in bounded batches, each batch until it is answered. */
import { type Entry, type Store, getMeta } from "../store/database.ts";
import { listUnsent, lowestSeq, release, reopen, settle, uptime } from "../store/outbox.ts";
import { emptyAt } from "../store/rows.ts";
import { Refused, type Request, postJson } from "./http.ts";
import type { Problem, PushAnswer } from "./wire.ts";

/** Send what may go; returns how many intents were answered. */
export async function push(store: Store, url: string, request: Request): Promise<number> {
  let answered = 0;
  const asked = new Set<number>();
  for (;;) {
    await release(store);
    const registration = (await getMeta(store, "registration"))!;
    const entries = fitting(await listUnsent(store, registration.limits.push_intents), registration.limits.push_bytes);
    if (entries.length === 0) return answered;
    const answer = await send(store, url, request, registration.device_id, entries);
    answered += entries.length;
    const again = answer.want.filter((seq) => !asked.has(seq));
    again.forEach((seq) => asked.add(seq)); // once: what we no longer have we cannot send
    await reopen(store, again);
  }
}

function fitting(entries: Entry[], bytes: number): Entry[] {
  let size = 1_000;
  const until = entries.findIndex((entry, at) => {
    size += 3 * JSON.stringify(entry.sent).length;
    return at > 0 && size > bytes;
  });
  return until < 0 ? entries : entries.slice(0, until);
}

async function send(
  store: Store,
  url: string,
  request: Request,
  device_id: string,
  entries: Entry[],
): Promise<PushAnswer> {
  const body = {
    device_id,
    sent_at: new Date().toISOString(),
    ...uptime(),
    from_seq: await lowestSeq(store),
    outbox_empty_at: await emptyAt(store),
    intents: entries.map((entry) => entry.sent!),
  };
  try {
    const answer = await postJson<PushAnswer>(`${url}/sync/v1/push`, body, request);
    await settle(store, answer.outcomes);
    return answer;
  } catch (error) {
    if (!(error instanceof Refused) || ![400, 413].includes(error.status)) throw error;
    if (entries.length === 1) return await setAside(store, entries[0]!, error.problem);
    const half = entries.length >> 1; // too many bytes at once, or one among them that cannot be read
    const first = await send(store, url, request, device_id, entries.slice(0, half));
    const second = await send(store, url, request, device_id, entries.slice(half));
    return { ...second, want: [...new Set([...first.want, ...second.want])] };
  }
}

/** One intent that the server cannot read must not hold up those behind it: it is kept, and shown. */
async function setAside(store: Store, entry: Entry, problem: Problem): Promise<PushAnswer> {
  await settle(store, [{ id: entry.id, status: "quarantined", problem }]);
  return { head: 0, want: [], outcomes: [] };
}
