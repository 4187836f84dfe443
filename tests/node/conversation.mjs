// A client that a test drives: a line of JSON asks {"do": name, …}, a line of JSON answers.
import { createInterface } from 'node:readline';

/** Answer until standard input ends. An error is an answer too; the test then fails with its words. */
export async function converse(actions) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: name, ...about } = JSON.parse(line);
    let answer;
    try {
      answer = { ok: (await actions[name](about)) ?? null };
    } catch (error) {
      answer = { error: `${error.stack ?? error}`.slice(0, 2_000) };
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
  process.exit(0);
}
