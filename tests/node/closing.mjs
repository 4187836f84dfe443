// Judge as a phone does: one question a line of JSON on standard input, one answer a line on standard output.
import { createInterface } from "node:readline";
import { activation, evaluate } from "../../mobile_api/pwa/closing/rules.js";
import { corrections, rulesSha256, verdict } from "../../mobile_api/pwa/closing/verdict.js";

const answers = {
  rule: async ({ expr, data }) => evaluate(expr, activation(data.answers, data.job, data.asset)).value,
  verdict: async ({ template, facts }) => ({
    rules_sha256: await rulesSha256(template),
    ...verdict(template, facts),
  }),
  corrections: async ({ template, facts }) => corrections(template, facts),
};

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await answers[question.ask](question))}\n`);
}
