// The Electric client, following a shape of each table; it says what it holds whenever it is asked.

import { createInterface } from "node:readline";
import { Shape, ShapeStream } from "@electric-sql/client";

const [url, token, tables] = process.argv.slice(2);
const failed = [];
const shapes = tables.split(",").map((table) => {
  const stream = new ShapeStream({
    url: `${url}/compat/electric/v1/shape`,
    headers: { Authorization: `Bearer ${token}` },
    params: { table },
    onError: (error) => void failed.push(`${table}: ${error}`),
    backoffOptions: { initialDelay: 50, maxDelay: 200, multiplier: 1.5 },
  });
  return [table, new Shape(stream)];
});

for await (const _ of createInterface({ input: process.stdin })) {
  const held = shapes.map(([table, shape]) => [table, shape.isUpToDate ?? !shape.isLoading(), [...shape.currentRows]]);
  process.stdout.write(JSON.stringify({ held, failed }) + "\n");
}
process.exit(0);
