// An app on RxDB with the published connector and nothing else of ours. Its storage refuses, by RxDB's own
// validator, documents that the published schemas do not allow.
import { addRxPlugin, createRxDatabase } from 'rxdb';
import { RxDBDevModePlugin, disableWarnings } from 'rxdb/plugins/dev-mode';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';
import { wrappedValidateAjvStorage } from 'rxdb/plugins/validate-ajv';
import { connector } from './connectors.mjs';
import { converse } from './conversation.mjs';

const { connect, intentSchema, stateSchema } = await connector('rxdb.mjs');
disableWarnings();
addRxPlugin(RxDBDevModePlugin);

const [url, token, ...names] = process.argv.slice(2);
const database = await createRxDatabase({
  name: 'app',
  multiInstance: false, // every process is a phone of its own, not another tab of the same browser
  storage: wrappedValidateAjvStorage({ storage: getRxStorageMemory() }),
});
const all = Object.fromEntries(names.map((name) => [name, { schema: stateSchema }]));
const { intents, ...collections } = await database.addCollections({
  ...all,
  intents: { schema: intentSchema },
});
const errors = [];
const locked = new Set(); // rows that have ever been here with their access revoked
for (const collection of Object.values(collections)) {
  collection.$.subscribe(({ documentData: { id, d } }) => d?.access === 'revoked' && locked.add(id));
}
let sync;

await converse({
  online({ token: own = token, batchSize = 10, retryTime = 200, silence = 5_000 }) {
    const onError = ({ message, parameters }) => {
      errors.push(`${message.trim().slice(0, 100)} ${JSON.stringify(parameters?.errors ?? '').slice(0, 300)}`);
    };
    sync = connect({ url, token: own, collections, intents, batchSize, retryTime, silence, onError });
  },
  stop: () => sync.stop(),
  resync: () => sync.resync(),
  settled: () => sync.settled(),
  async report({ type, data, after }) {
    return (await sync.report(type, data, after)).toJSON();
  },
  async rows({ collection }) {
    return (await collections[collection].find().exec()).map((row) => row.toJSON());
  },
  async intents() {
    return (await intents.find({ sort: [{ seq: 'asc' }] }).exec()).map((row) => row.toJSON());
  },
  async write({ collection, id, d }) {
    const row = await collections[collection].findOne(id).exec();
    await row.incrementalModify((document) => ({ ...document, d: { ...document.d, ...d } }));
  },
  insert: ({ collection, row }) => collections[collection].insert(row).then((made) => made.toJSON()),
  async remove({ collection, id }) {
    await (await { ...collections, intents }[collection].findOne(id).exec()).remove();
  },
  locked: () => [...locked],
  errors: () => errors.splice(0),
});
