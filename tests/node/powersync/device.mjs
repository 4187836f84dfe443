// One device with the PowerSync SDK and the published connector, told what to do in lines of JSON.

import { createInterface } from "node:readline";
import { PowerSyncDatabase, Schema, Table, column } from "@powersync/node";
import { FieldServiceConnector, tables } from "../../../mobile_api/compat/connectors/powersync.js";

const [file, collections] = process.argv.slice(2);
const own = collections
  .split(",")
  .map((name) => [name, new Table({ title: column.text, status: column.text, access: column.text })]);
const db = new PowerSyncDatabase({
  schema: new Schema({ ...tables(Table, column), ...Object.fromEntries(own) }),
  database: { dbFilename: file, implementation: { type: "node:sqlite" } },
  logger: { log: (entry) => process.env.POWERSYNC_LOG && console.error(entry.message, entry.error ?? "") },
});
await db.init();

const todo = {
  client: async () => await db.getClientId(),
  async connect({ url, installId, token, retryMs }) {
    const connector = new FieldServiceConnector({ url, installId, token });
    todo.unwatch = connector.watch(db);
    await db.connect(connector, { retryDelayMs: retryMs, crudUploadThrottleMs: 50 });
  },
  async disconnect() {
    todo.unwatch();
    await db.disconnect();
  },
  sql: async ({ sql, values }) => await db.getAll(sql, values),
  write: async ({ sql, values }) => void (await db.execute(sql, values)),
  status: async () => ({ connected: db.currentStatus.connected, said: JSON.stringify(db.currentStatus) }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const said = await todo[asked.do](asked).then(
    (value) => ({ value: value ?? null }),
    (error) => ({ error: `${error.stack ?? error}` }),
  );
  process.stdout.write(JSON.stringify(said) + "\n");
}
await db.close();
