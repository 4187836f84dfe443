/** Reading the feed: pages until all is here, a check by digest, and a comparison when the feed began anew. */
import { type Doubt, type Meta, type Store, getMeta, setMeta } from "../store/database.ts";
import { reopenAbove, takeOutcomes, listAnswered, tidy } from "../store/outbox.ts";
import { sendAgain, takeReceipts } from "../store/photos.ts";
import { agrees, applyComparison, applyPage, emptyAt, have } from "../store/rows.ts";
import { Refused, type Request, askJson, postJson } from "./http.ts";
import type { Comparison, Page } from "./wire.ts";

/** Read everything that is new. */
export async function pull(store: Store, url: string, request: Request): Promise<void> {
  const doubt = await getMeta(store, "must_reconcile");
  if (doubt) await reconcile(store, url, request, doubt === true ? undefined : doubt); // `true` as older apps kept it
  const answered = await listAnswered(store);
  let page: Page;
  do {
    try {
      page = await askJson<Page>(`${url}/sync/v1/pull?${await query(store)}`, request);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.problem.code === "bad-feed-token") await setMeta(store, { since: null });
      else if (error.status === 410) await beginAnew(store, error);
      else throw error;
      return pull(store, url, request);
    }
    // A first page in another epoch tells of a restore as plainly as a refusal does.
    const epoch = await getMeta(store, "epoch");
    if (epoch && epoch !== page.epoch) await sendAllAgain(store);
    await applyPage(store, page, page.complete);
  } while (!page.complete);
  await afterwards(store, answered, page.forget_upto);
  if (page.digest && !(await agrees(store, page.digest))) {
    await setMeta(store, { must_reconcile: "digest" });
    await reconcile(store, url, request, "digest");
  }
}

async function query(store: Store): Promise<URLSearchParams> {
  const since = await getMeta(store, "since");
  const empty = await emptyAt(store);
  return new URLSearchParams({
    ...(since ? { since } : {}),
    ...(empty === null ? {} : { outbox_empty_at: String(empty) }),
  });
}

/** The outbox stays; what is held is compared before anything is read on. */
async function beginAnew(store: Store, refused: Refused): Promise<void> {
  const isExpired = refused.problem.reason === "expired";
  if (!isExpired) await sendAllAgain(store);
  await setMeta(store, { must_reconcile: isExpired ? "expired" : "restored" });
}

/**
 * A server that was set back to a backup may lack what it confirmed since: all that this backup does not hold
 * goes again, under the same ids.
 */
async function sendAllAgain(store: Store): Promise<void> {
  await reopenAbove(store, (await getMeta(store, "forget_upto")) ?? 0);
  await sendAgain(store);
}

/** Compare row by row what is held with what should be, page by page; the first one says why. */
async function reconcile(store: Store, url: string, request: Request, reason?: Doubt): Promise<void> {
  const answered = await listAnswered(store);
  let why = reason ? { reason } : {};
  let page: Comparison;
  do {
    page = await postJson<Comparison>(`${url}/sync/v1/reconcile`, { have: await have(store), ...why }, request);
    why = {};
    await applyComparison(store, page);
  } while (!page.complete);
  await afterwards(store, answered, page.forget_upto);
}

async function afterwards(store: Store, answered: Set<number>, forgetUpto: number): Promise<void> {
  await takeOutcomes(store);
  await tidy(store, answered, forgetUpto);
  await takeReceipts(store);
  const [open, waiting] = [await store.countFromIndex("outbox", "open"), await store.countFromIndex("photos", "waiting")];
  if (open + waiting === 0) await setMeta(store, { empty_at: (await getMeta(store, "head")) ?? 0 } satisfies Partial<Meta>);
}
