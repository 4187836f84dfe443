// RxDB 17 against this server. Copy this file and uuidv7.mjs into your app.
//
//   import { connect, intentSchema, stateSchema } from './rxdb.mjs';
//   const { state, intents } = await database.addCollections({
//     state: { schema: stateSchema }, intents: { schema: intentSchema } });
//   const sync = connect({ url: 'https://…', token, collections: { state }, intents });
//   await sync.report('note.add', { visit_id, text: 'Door adjusted' });     // works offline
//   state.find({ selector: { coll: 'visits', 'd.status': 'dispatched' } });
//
// `token` is the device's own, from POST /sync/v1/devices. `collections` may also name single ones
// ({ visits, work_orders, … }); RxDB without its paid plugins opens at most 13. State is read only: what an
// app writes into it goes to the office as a suggestion, and the server's version returns. What a technician
// did is a row of `intents`, written once and never changed; what became of it, if more than "applied", comes
// back as a row of `outcomes`.
import { replicateRxCollection } from 'rxdb/plugins/replication';
import { filter, firstValueFrom, merge, Subject } from 'rxjs';
import { uuidv7 } from './uuidv7.mjs';

const MOST_AT_ONCE = 200;

export const stateSchema = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 80 },
    coll: { type: 'string', maxLength: 40 },
    rev: { type: 'integer' },
    d: { type: 'object' },
  },
  required: ['id', 'coll'],
  indexes: ['coll'],
};

export const intentSchema = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 36 },
    seq: { type: 'integer', minimum: 1, maximum: 1e12, multipleOf: 1 },
    type: { type: 'string' },
    base_seq: { type: 'integer' },
    occurred_at: { type: 'string' },
    after: { type: 'array', items: { type: 'string' } },
    data: { type: 'object' },
  },
  required: ['id', 'seq', 'type', 'occurred_at', 'data'],
  indexes: ['seq'],
};

export function connect(options) {
  const { url, token, collections, intents, onError = () => {} } = options;
  const { batchSize = MOST_AT_ONCE, retryTime = 5_000, silence = 120_000 } = options; // milliseconds
  const poked = new Subject();
  const open = new Set(); // requests under way
  let isStopped = false;
  const heads = new Map(); // collection → the feed's head up to which it has been read
  let emptyAt; // the head that was known everywhere when the outbox was last empty
  let isIdle = false; // whether every intent has been acknowledged
  let running = {};

  // A line may also fall silent without being cut: a request that hears nothing for long is given up.
  async function call(path, { headers, ...rest } = {}, read = (answer) => answer.json()) {
    const request = new AbortController();
    let timer;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), silence);
    };
    open.add(request);
    heard();
    try {
      const authorized = { authorization: `Bearer ${token}`, ...headers };
      const answer = await fetch(url + path, { ...rest, headers: authorized, signal: request.signal });
      heard();
      if (answer.ok) return await read(answer, heard);
      const problem = await answer.json().catch(() => ({}));
      const error = new Error(problem.detail ?? `The server answered ${answer.status}.`);
      throw Object.assign(error, { status: answer.status, problem });
    } finally {
      clearTimeout(timer);
      open.delete(request);
    }
  }

  // --- down ---------------------------------------------------------------------------------------------

  function pullFrom(name) {
    return {
      batchSize,
      stream$: poked.asObservable(),
      async handler(checkpoint, limit) {
        const query = new URLSearchParams({ limit });
        if (checkpoint) query.set('cp', checkpoint.t);
        if (emptyAt !== undefined) query.set('outbox_empty_at', emptyAt);
        try {
          const page = await call(`/compat/rxdb/${name}/pull?${query}`);
          if (page.head !== null) {
            heads.set(name, page.head);
            const isKnown = Object.keys(collections).every((one) => heads.has(one));
            if (isIdle && isKnown) emptyAt = Math.min(...heads.values());
          }
          return page;
        } catch (error) {
          // This registration's feed cannot be gone on with; or the app had to register anew, and the
          // checkpoint is of the registration before.
          if (error.status !== 410 && error.problem?.code !== 'bad-feed-token') throw error;
          beginAnew();
          return { documents: [], checkpoint };
        }
      },
    };
  }

  // Tells RxDB to pull when the server says that something changed, and whenever the line is back.
  async function listen() {
    let lastId;
    let pause;

    async function follow(answer, heard) {
      const reader = answer.body.getReader();
      const decoder = new TextDecoder();
      for (let text = '', part; !(part = await reader.read()).done; heard()) {
        const events = (text + decoder.decode(part.value, { stream: true })).split('\n\n');
        text = events.pop();
        for (const event of events) {
          const kind = /^event: (.*)$/m.exec(event)?.[1];
          lastId = /^id: (.*)$/m.exec(event)?.[1] ?? lastId;
          if (kind === 'bye') pause = JSON.parse(/^data: (.*)$/m.exec(event)[1]).retry_ms;
          else if (kind) poked.next('RESYNC');
        }
      }
    }

    while (!isStopped) {
      pause = retryTime;
      try {
        await call('/sync/v1/stream', { headers: lastId ? { 'last-event-id': lastId } : {} }, follow);
      } catch (error) {
        if (!isStopped) onError(error);
      }
      await new Promise((resolve) => setTimeout(resolve, isStopped ? 0 : pause));
    }
  }

  // --- up -----------------------------------------------------------------------------------------------

  async function push(name, rows) {
    const body = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(rows) };
    try {
      return await call(`/compat/rxdb/${name}/push?sent_at=${new Date().toISOString()}`, body);
    } catch (error) {
      if (error.status !== 413 || rows.length === 1) throw error;
      const half = rows.length >> 1; // too many bytes at once
      return [...(await push(name, rows.slice(0, half))), ...(await push(name, rows.slice(half)))];
    }
  }

  // RxDB sends several batches at once and repeats those that failed. What a technician did must arrive in
  // its order, so whatever is not acknowledged yet goes along, one batch after the other.
  const unsent = new Map();
  let turn = Promise.resolve();

  function pushInOrder(rows) {
    for (const row of rows) unsent.set(row.newDocumentState.id, row);
    turn = turn.catch(() => {}).then(async () => {
      const bySeq = (a, b) => a.newDocumentState.seq - b.newDocumentState.seq;
      const waiting = [...unsent.values()].sort(bySeq);
      while (waiting.length) {
        const some = waiting.splice(0, batchSize);
        await push('intents', some);
        for (const row of some) {
          const { id } = row.newDocumentState;
          if (unsent.get(id) === row) unsent.delete(id);
        }
      }
      return [];
    });
    return turn;
  }

  let numbering = Promise.resolve();

  /** Keep what the technician did, with a number of this device; it is sent when there is a line. */
  function report(type, data, after = []) {
    numbering = numbering.catch(() => {}).then(async () => {
      const last = await intents.findOne({ sort: [{ seq: 'desc' }] }).exec();
      const intent = { id: uuidv7(), seq: (last?.seq ?? 0) + 1, type, after, data };
      if (heads.size) intent.base_seq = Math.min(...heads.values());
      return intents.insert({ ...intent, occurred_at: new Date().toISOString() });
    });
    return numbering;
  }

  // --- life ---------------------------------------------------------------------------------------------

  // After beginning anew RxDB shows the server whatever it has not read yet, and writes the answers over what
  // it holds. Were it to read the same rows meanwhile, an older answer could undo what was read.
  function pushTo(name, isAnew) {
    return {
      batchSize,
      async handler(rows) {
        const one = running[name];
        if (isAnew) {
          const { firstSyncDone, events } = one.internalReplicationState;
          await firstValueFrom(merge(firstSyncDone.down, events.canceled).pipe(filter(Boolean)));
        }
        return push(name, rows);
      },
    };
  }

  function start(isAnew) {
    const shared = { replicationIdentifier: `fsm ${url}`, live: true, retryTime };
    for (const [name, collection] of Object.entries(collections)) {
      const both = { pull: pullFrom(name), push: pushTo(name, isAnew) };
      running[name] = replicateRxCollection({ ...shared, collection, ...both });
    }
    const outbox = { batchSize, handler: pushInOrder };
    running.intents = replicateRxCollection({ ...shared, collection: intents, push: outbox });
    for (const one of Object.values(running)) one.error$.subscribe(onError);
    const { intents: sending } = running;
    sending.awaitInitialReplication().then(
      () => sending.active$.subscribe((isActive) => (isIdle = !isActive)),
      onError,
    );
  }

  // The server was restored from a backup, or may no longer say what to take back. What is unsent goes
  // first. Then RxDB forgets how far it was: it reads everything, shows what it holds, so that rows that are
  // no more are taken away, and sends all intents again, of which the server keeps each once.
  let renewal;

  function beginAnew() {
    renewal ??= (async () => {
      const old = Object.values(running);
      await Promise.all(old.map((one) => one.awaitInSync()));
      await Promise.all(old.map((one) => one.remove()));
      heads.clear();
      [emptyAt, isIdle, running] = [undefined, false, {}];
      if (!isStopped) start(true);
    })()
      .catch(onError)
      .finally(() => (renewal = undefined));
  }

  start(false);
  const listening = listen();
  return {
    report,
    /** Pull now: on opening the app, or where there is no stream. */
    resync: () => poked.next('RESYNC'),
    /** Resolve once everything is sent and read. */
    async settled() {
      do {
        await renewal;
        await Promise.all(Object.values(running).map((one) => one.awaitInSync()));
      } while (renewal);
    },
    async stop() {
      isStopped = true;
      for (const request of open) request.abort();
      await Promise.all(Object.values(running).map((one) => one.cancel()));
      await listening;
    },
  };
}
