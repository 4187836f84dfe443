/**
 * CEL expressions of checklist templates: planned once, evaluated without ever throwing.
 *
 * A rule sees `answers`, `job` and `asset`, flat, every number a double, never a clock. What a server
 * could not compute with the same result is left out as absent. Its twin is fsm/checklists/rules.py.
 */
import { celEnv, isCelError, parse, plan } from "@bufbuild/cel";

const MAX_LIST = 1_000;
const MAX_TEXT = 10_000;

const environment = celEnv();
/** @type {Map<string, (bindings: object) => unknown>} */
const planned = new Map();

/**
 * Bind values for many rules.
 * @param {Record<string, Record<string, unknown>>} answers attributes by item id
 * @param {Record<string, unknown>} job
 * @param {Record<string, unknown>} asset
 */
export function activation(answers, job, asset) {
  const seen = new Map();
  for (const [id, fields] of Object.entries(answers)) {
    if (isText(id)) seen.set(id, attributes(fields));
  }
  return { answers: seen, job: attributes(job), asset: attributes(asset) };
}

/**
 * Return what a rule comes to: `{value}`, or `{value: null, error}` where it failed or is unknown.
 * @param {string} expression
 * @param {ReturnType<typeof activation>} bound
 * @returns {{value: boolean | number | string | null, error?: string}}
 */
export function evaluate(expression, bound) {
  let result;
  try {
    let program = planned.get(expression);
    if (program === undefined) {
      program = plan(environment, parse(expression));
      planned.set(expression, program);
    }
    result = program(bound);
  } catch (error) {
    return failure(String(error));
  }
  if (isCelError(result)) return failure(result.message);
  if (typeof result === "bigint") result = Number(result);
  if (typeof result === "number" && !Number.isFinite(result)) return failure(`The result is ${result}.`);
  if (["boolean", "number", "string"].includes(typeof result)) return { value: result };
  return failure("A rule cannot come to this.");
}

/** Like `evaluate`, with anything but a boolean a failure. */
export function truth(expression, bound) {
  const outcome = evaluate(expression, bound);
  if (outcome.error !== undefined || typeof outcome.value === "boolean") return outcome;
  return failure("The result is neither true nor false.");
}

/** Like `evaluate`, with anything but a number a failure. */
export function number(expression, bound) {
  const outcome = evaluate(expression, bound);
  if (outcome.error !== undefined || typeof outcome.value === "number") return outcome;
  return failure("The result is not a number.");
}

/** Return a value as rules see it, or undefined where they do not see it at all. */
export function ruleValue(value) {
  if (!Array.isArray(value)) return scalar(value);
  if (value.length > MAX_LIST) return undefined;
  const seen = value.map(scalar);
  return seen.includes(undefined) ? undefined : seen;
}

/** Whether a text has a form in UTF-8. */
export function isText(value) {
  return typeof value === "string" && value.isWellFormed();
}

/** The length of a text in Unicode code points, which is what every limit counts. */
export function codePoints(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

function attributes(values) {
  const known = new Map();
  for (const [key, value] of Object.entries(values)) {
    const seen = ruleValue(value);
    if (seen !== undefined && isText(key)) known.set(key, seen);
  }
  return known;
}

function scalar(value) {
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (isText(value) && codePoints(value) <= MAX_TEXT) return value;
  return undefined;
}

function failure(error) {
  return { value: null, error };
}
