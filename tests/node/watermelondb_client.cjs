// An app on WatermelonDB (LokiJS) with the published connector and nothing else of ours.
process.env.NODE_ENV = 'test';
const { Database, Model, appSchema, tableSchema } = require('@nozbe/watermelondb');
const { default: LokiJSAdapter } = require('@nozbe/watermelondb/adapters/lokijs');
const { default: logger } = require('@nozbe/watermelondb/utils/common/logger');
const { setGenerator } = require('@nozbe/watermelondb/utils/common/randomId');
const { hasUnsyncedChanges, synchronize } = require('@nozbe/watermelondb/sync');
const {
  addColumns,
  schemaMigrations,
} = require('@nozbe/watermelondb/Schema/migrations');

const [url, token, tables] = process.argv.slice(2);

async function main() {
  const { connector } = await import('./connectors.mjs');
  const { converse } = await import('./conversation.mjs');
  const { collections, connect, intentColumns } = await connector('watermelondb.mjs');
  const { uuidv7 } = await connector('uuidv7.mjs');
  const complaints = []; // what WatermelonDB thinks is wrong with the server
  logger.silence();
  logger.warn = logger.error = (...said) => complaints.push(said.join(' '));
  setGenerator(uuidv7);

  const drafts = [{ name: 'text', type: 'string' }]; // the app's own
  const columns = { ...JSON.parse(tables), intents: intentColumns, drafts };
  const shown = Object.entries(columns).map(([name, own]) => tableSchema({ name, columns: own }));
  const modelClasses = Object.keys(columns).map(
    (name) =>
      class extends Model {
        static table = name;
      },
  );
  const options = { useWebWorker: false, useIncrementalIndexedDB: true };
  let adapter = new LokiJSAdapter({ ...options, schema: appSchema({ version: 1, tables: shown }) });
  let database, sync;

  function open(more = {}) {
    database = new Database({ adapter, modelClasses });
    sync = connect({ url, token, database, synchronize, hasUnsyncedChanges, ...more });
  }

  open();
  const find = (table, id) => database.get(table).find(id);
  await converse({
    sync: () => sync.run(),
    async report({ type, data, after }) {
      return { ...(await sync.report(type, data, after))._raw };
    },
    async rows({ table }) {
      return (await database.get(table).query().fetch()).map((row) => ({ ...row._raw }));
    },
    write: ({ table, id, column, value }) =>
      database.write(async () => {
        await (await find(table, id)).update((row) => row._setRaw(column, value));
      }),
    remove: ({ table, id }) => database.write(async () => (await find(table, id)).markAsDeleted()),
    insert: ({ table, row }) =>
      database.write(async () => {
        return (await database.get(table).create((made) => Object.assign(made._raw, row))).id;
      }),
    unsynced: () => hasUnsyncedChanges({ database }),
    // The app is updated to a schema that shows more columns of a table.
    async migrate({ table, added }) {
      const schema = appSchema({
        version: 2,
        tables: shown.map((one) =>
          one.name === table ? tableSchema({ name: table, columns: [...columns[table], ...added] }) : one,
        ),
      });
      const steps = [addColumns({ table, columns: added })];
      const migrations = schemaMigrations({ migrations: [{ toVersion: 2, steps }] });
      adapter = await adapter.testClone({ schema, migrations });
      open({ migrationsEnabledAtVersion: 1 });
    },
    collections: () => collections,
    complaints: () => complaints.splice(0),
  });
}

main();
