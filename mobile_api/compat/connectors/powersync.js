// A PowerSync SDK app and this server: copy this file into the app.
//
//   const db = new PowerSyncDatabase({ schema: new Schema({ ...tables(Table, column), work_orders: … }), … });
//   const installId = await db.getClientId(); // register the device with it: POST /sync/v1/devices
//   const connector = new FieldServiceConnector({ url, installId, token });
//   await db.connect(connector);
//   connector.watch(db);
//
// What a technician does is a row put into `intents`: `data` and `after` are JSON text, the id is a UUIDv7.
// Nothing else is to be written: a change of another table is a suggestion, and the server's version returns.

const RETRY_MS = 1000;

/** The tables that the connector needs beside the app's own. */
export function tables(Table, column) {
  const { text, integer } = column;
  return {
    intents: new Table(
      { type: text, data: text, occurred_at: text, after: text, base_seq: integer },
      { insertOnly: true },
    ),
    // What was sent stays here until a backup of the server holds it: a restored server gets it again.
    sent_rows: new Table({ op_id: integer, entry: text }, { localOnly: true }),
    server_epoch: new Table({ epoch: text }, { localOnly: true }),
  };
}

export class FieldServiceConnector {
  constructor({ url, installId, token }) {
    Object.assign(this, { url, installId, token });
  }

  async fetchCredentials() {
    return { endpoint: `${this.url}/compat/powersync`, token: this.token };
  }

  async uploadData(db) {
    let limit = 100;
    for (let batch; (batch = await db.getCrudBatch(limit)) !== null; ) {
      const entries = batch.crud.map((entry) => JSON.stringify(entry));
      const answer = await this.send(db, entries, batch.crud.length > 1);
      if (answer === null) {
        limit = Math.ceil(batch.crud.length / 2); // too many bytes at once
        continue;
      }
      await db.writeTransaction(async (tx) => {
        for (const [place, entry] of batch.crud.entries()) {
          await tx.execute("INSERT INTO sent_rows (id, op_id, entry) VALUES (uuid(), ?, ?)", [
            entry.clientId,
            entries[place],
          ]);
        }
      });
      await batch.complete();
      await this.settle(db, answer);
    }
  }

  /** Tells the server when nothing is left to send, so that it may take away what this device lost access to. */
  watch(db) {
    let telling = Promise.resolve(); // one after the other: the last word must be the newest
    let again;
    const tell = () => {
      clearTimeout(again);
      telling = telling
        .then(() => this.report(db))
        .catch(() => {
          // The status need not change any more, and the server takes nothing away before it has heard us.
          again = setTimeout(() => db.connected && tell(), RETRY_MS);
        });
    };
    const stop = db.registerListener({
      statusChanged: ({ connected, hasSynced }) => connected && hasSynced && tell(),
    });
    return () => {
      clearTimeout(again);
      stop();
    };
  }

  async report(db) {
    const { head } = await db.get(
      `SELECT min(last_applied_op) AS head FROM ps_buckets
       WHERE NOT EXISTS (SELECT 1 FROM ps_crud)`,
    );
    if (head === null || head === this.reported) return;
    await this.settle(db, await this.send(db, [], false, head));
    this.reported = head;
  }

  async send(db, entries, mayShrink, emptyAt = null) {
    const answer = await fetch(`${this.url}/compat/powersync/crud`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Token ${this.token}` },
      body: `{"install_id":${JSON.stringify(this.installId)},"client_id":${JSON.stringify(
        await db.getClientId(),
      )},"sent_at":"${new Date().toISOString()}","outbox_empty_at":${emptyAt},"batch":[${entries}]}`,
    });
    if (answer.status === 413 && mayShrink) return null;
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`); // the SDK tries again
    return await answer.json();
  }

  /** Forgets what a backup holds; sends what it does not once more when the server was restored from one. */
  async settle(db, answer) {
    const known = await db.getOptional("SELECT epoch FROM server_epoch");
    if (known !== null && known.epoch !== answer.epoch) {
      const sent = await db.getAll("SELECT entry FROM sent_rows ORDER BY op_id");
      await this.replay(db, sent.map((row) => row.entry));
    }
    await db.writeTransaction(async (tx) => {
      await tx.execute("DELETE FROM sent_rows WHERE op_id <= ?", [answer.forget_upto]);
      if (known?.epoch === answer.epoch) return;
      await tx.execute("DELETE FROM server_epoch");
      await tx.execute("INSERT INTO server_epoch (id, epoch) VALUES ('now', ?)", [answer.epoch]);
    });
  }

  async replay(db, entries) {
    const fits = entries.length <= 100 && (await this.send(db, entries, entries.length > 1));
    if (fits) return;
    const half = entries.length >> 1;
    await this.replay(db, entries.slice(0, half));
    await this.replay(db, entries.slice(half));
  }
}
