// WatermelonDB 0.28 against this server. Copy this file and uuidv7.mjs into your app.
//
//   import { synchronize, hasUnsyncedChanges } from '@nozbe/watermelondb/sync';
//   import { setGenerator } from '@nozbe/watermelondb/utils/common/randomId';
//   import { connect, intentColumns } from './watermelondb.mjs';
//   import { uuidv7 } from './uuidv7.mjs';
//   setGenerator(uuidv7);
//   const sync = connect({ url: 'https://…', token, database, synchronize, hasUnsyncedChanges });
//   await sync.report('note.add', { visit_id, text: 'Door adjusted' });     // works offline
//   await sync.run();                                                       // on opening, on a poke, after work
//
// `token` is the device's own, from POST /sync/v1/devices. The schema has a table `intents` with
// `intentColumns`, and of the server's collections (work_orders, visits, sites, …) those tables and columns
// that the app wants; what is nested comes as JSON text, for `@json`. State is read only: what an app writes
// into it goes to the office as a suggestion, and the server's version returns with the next pull. What a
// technician did is a row of `intents`, written once and never changed; what became of it, if more than
// "applied", comes back as a row of `outcomes`.
const MOST_AT_ONCE = 200;
const LONGEST = 600_000; // milliseconds; a first pull holds everything

/** What the server knows; tables of other names are the app's own and stay on the device. */
export const collections = [
  ...['work_orders', 'visits', 'customers', 'sites', 'contacts', 'assets', 'models', 'documents', 'history'],
  ...['checklists', 'photos', 'outcomes', 'stock', 'parts', 'reasons', 'work_types', 'templates'],
];

export const intentColumns = [
  { name: 'seq', type: 'number', isIndexed: true },
  { name: 'type', type: 'string' },
  { name: 'base_seq', type: 'number', isOptional: true },
  { name: 'occurred_at', type: 'string' },
  { name: 'after', type: 'string', isOptional: true },
  { name: 'data', type: 'string' },
];

export function connect(options) {
  const { url, token, database, synchronize, hasUnsyncedChanges, ...more } = options;
  let head; // the feed's head as of the last pull
  let lastSeq; // the number of the last intent

  // A line may also fall silent without being cut: a request that takes too long is given up.
  async function call(query, body) {
    const request = new AbortController();
    const timer = setTimeout(() => request.abort(), LONGEST);
    try {
      const answer = await fetch(`${url}/compat/watermelondb/sync?${new URLSearchParams(query)}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: request.signal,
      });
      const said = await answer.json();
      if (answer.ok) return said;
      const error = new Error(said.detail ?? `The server answered ${answer.status}.`);
      throw Object.assign(error, { status: answer.status, problem: said });
    } finally {
      clearTimeout(timer);
    }
  }

  async function pullChanges({ lastPulledAt, schemaVersion, migration }) {
    const query = { schema_version: schemaVersion, has_unsynced: await hasUnsyncedChanges({ database }) };
    if (lastPulledAt) query.last_pulled_at = lastPulledAt;
    if (migration) query.migration = JSON.stringify(migration);
    const pulled = await call(query);
    // The server was restored from a backup and may lack what it had confirmed: all intents go again, of
    // which it keeps each once.
    if (pulled.experimentalStrategy === 'replacement') await sendIntents(await outbox());
    head = pulled.head;
    return pulled;
  }

  async function outbox() {
    const all = await database.get('intents').query().fetch();
    return all.map((intent) => ({ ...intent._raw }));
  }

  // What a technician did goes first and in its order; WatermelonDB repeats the whole where a part failed.
  async function pushChanges({ changes: { intents, ...state } }) {
    await sendIntents([...intents.created, ...intents.updated]);
    await send(
      Object.entries(state)
        .filter(([table]) => collections.includes(table))
        .flatMap(([table, kinds]) =>
          Object.entries(kinds).flatMap(([kind, rows]) => rows.map((row) => [table, kind, row])),
        ),
    );
  }

  const sendIntents = (rows) =>
    send(rows.sort((a, b) => a.seq - b.seq).map((row) => ['intents', 'created', row]));

  async function send(rows) {
    for (let sent = 0; sent < rows.length; sent += MOST_AT_ONCE) {
      await post(rows.slice(sent, sent + MOST_AT_ONCE));
    }
  }

  async function post(rows) {
    const changes = {};
    for (const [table, kind, row] of rows) {
      (changes[table] ??= { created: [], updated: [], deleted: [] })[kind].push(row);
    }
    try {
      await call({ sent_at: new Date().toISOString() }, { changes });
    } catch (error) {
      if (error.status !== 413 || rows.length === 1) throw error;
      const half = rows.length >> 1; // too many bytes at once
      await post(rows.slice(0, half));
      await post(rows.slice(half));
    }
  }

  // WatermelonDB refuses a second synchronize() while one is running.
  let turn = Promise.resolve();
  const inTurn = (work) => (turn = turn.catch(() => {}).then(work));

  return {
    /** Pull, then push. Rejects when there is no line; nothing is lost by that. */
    run: () =>
      inTurn(() => synchronize({ database, pullChanges, pushChanges, sendCreatedAsUpdated: true, ...more })),

    /** Keep what the technician did, with a number of this device. */
    report: (type, data, after = []) =>
      database.write(async () => {
        lastSeq ??= (await outbox()).reduce((highest, { seq }) => Math.max(highest, seq), 0);
        return database.get('intents').create((intent) => {
          Object.assign(intent._raw, {
            seq: ++lastSeq,
            type,
            base_seq: head ?? null,
            occurred_at: new Date().toISOString(),
            after: JSON.stringify(after),
            data: JSON.stringify(data),
          });
        });
      }),
  };
}
