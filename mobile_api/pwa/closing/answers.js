/**
 * Answers to checklist items: what is wrong with a given one, and what rules see of it.
 *
 * The limits are those of the published JSON Schema of answers. The twin is fsm/checklists/answers.py.
 */
import { codePoints, isText, ruleValue } from "./rules.js";

const MAX_LIST = 1_000;
const MAX_NUMBER = 1e15;
const DEFAULT_MAX_TEXT = 2_000;
const MAX_BARCODE = 4_296;
const BLANK = /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$/;

const GS1 = { ean13: 13, ean8: 8, upca: 12 };
const SYMBOLS = {
  qr: /^[\s\S]+$/,
  datamatrix: /^[\s\S]+$/,
  code128: /^[\x00-\x7f]+$/,
  code39: /^[0-9A-Z. $/+%-]+$/,
};

const SHAPE = { code: "shape", rule: "type" };

/** Whether a value is no answer at all: null, text of nothing but white space, an empty list. */
export function isBlank(value) {
  if (typeof value === "string") return BLANK.test(value);
  return value === null || value === undefined || (Array.isArray(value) && value.length === 0);
}

/**
 * Return what is wrong with an answer, sorted; one of the wrong shape is only told so.
 * @returns {{code: "shape" | "limit", rule: string}[]}
 */
export function faults(item, value) {
  if (!isFlat(value)) return [SHAPE];
  const found = CHECKS[item.kind](item, value);
  const shapes = found.filter((fault) => fault.code === "shape");
  return unique(shapes.length > 0 ? shapes : found);
}

/** Return an answer as rules see it, undefined if its shape is wrong. */
export function ruleFields(item, value) {
  if (isBlank(value) || faults(item, value).some((fault) => fault.code === "shape")) return undefined;
  const seen = ruleValue(item.kind === "meter" ? meterReading(value) : value);
  if (seen === undefined) return undefined;
  return item.kind === "meter" ? { value: seen, rollover: hasRolledOver(value) } : { value: seen };
}

/** Return the number in a meter's answer, whichever of its two forms it has. */
export function meterReading(value) {
  return isObject(value) ? value.value : value;
}

/** Whether a meter's answer declares that the counter has begun anew. */
export function hasRolledOver(value) {
  return isObject(value) && value.rollover === true;
}

const CHECKS = { yesno, number, choice, text, photo: media, video: media, meter, barcode };

function yesno(_, value) {
  return typeof value === "boolean" ? [] : [SHAPE];
}

function number(item, value) {
  if (typeof value !== "number") return [SHAPE];
  const found = [];
  if (value < (item.min ?? -MAX_NUMBER)) found.push(limit("min"));
  if (value > (item.max ?? MAX_NUMBER)) found.push(limit("max"));
  if (item.decimals !== undefined && decimals(value) > item.decimals) found.push(limit("decimals"));
  return found;
}

function choice(item, value) {
  const codes = item.choices.map((one) => one.code);
  if (!item.multiple) {
    if (typeof value !== "string") return [SHAPE];
    return codes.includes(value) ? [] : [limit("codes")];
  }
  if (!Array.isArray(value) || value.some((one) => typeof one !== "string")) return [SHAPE];
  if (new Set(value).size < value.length) return [SHAPE];
  const found = value.every((one) => codes.includes(one)) ? [] : [limit("codes")];
  if (value.length < (item.min_picks ?? 0)) found.push(limit("min_picks"));
  if (value.length > (item.max_picks ?? MAX_LIST)) found.push(limit("max_picks"));
  return found;
}

function text(item, value) {
  if (typeof value !== "string") return [SHAPE];
  // A lower bound above the usual upper one lifts it: an item must stay answerable.
  const longest = item.max_length ?? Math.max(DEFAULT_MAX_TEXT, item.min_length ?? 0);
  const length = codePoints(value);
  const found = [];
  if (length < (item.min_length ?? 1)) found.push(limit("min_length"));
  if (length > longest) found.push(limit("max_length"));
  return found;
}

/** `value` is one filled slot: `{mime, size, seconds?}`, bytes and seconds. */
function media(item, { mime, size, seconds }) {
  const found = [];
  const begins = item.kind === "photo" ? "image/" : "video/";
  const isKnown = item.mime ? item.mime.includes(mime) : typeof mime === "string" && mime.startsWith(begins);
  if (!isKnown) found.push({ code: "shape", rule: "mime" });
  if (!Number.isInteger(size)) found.push({ code: "shape", rule: "size" });
  else if (size < 1 || size > (item.max_bytes ?? Infinity)) found.push(limit("size"));
  if (seconds !== undefined) {
    if (typeof seconds !== "number") found.push({ code: "shape", rule: "seconds" });
    else if (seconds < 0 || seconds > (item.max_seconds ?? Infinity)) found.push(limit("seconds"));
  }
  return found;
}

function meter(item, value) {
  if (!isObject(value)) return number(item, value);
  const { value: reading, rollover, ...others } = value;
  if (Object.keys(others).length > 0) return [SHAPE];
  if (rollover !== undefined && typeof rollover !== "boolean") return [SHAPE];
  return number(item, reading);
}

function barcode(item, value) {
  if (typeof value !== "string") return [SHAPE];
  const found = [];
  if (item.symbology && !item.symbology.some((one) => isPossible(one, value))) {
    found.push({ code: "shape", rule: "symbology" });
  }
  const length = codePoints(value);
  if (length < 1) found.push(limit("min_length"));
  if (length > MAX_BARCODE) found.push(limit("max_length"));
  return found;
}

function isPossible(symbology, value) {
  if (!(symbology in GS1)) return SYMBOLS[symbology].test(value);
  return /^[0-9]+$/.test(value) && value.length === GS1[symbology] && hasCheckDigit(value);
}

/** Check the last digit: weights 3, 1, 3, … from the right of the rest (GS1 General Specifications 7.9.1). */
function hasCheckDigit(digits) {
  const body = [...digits].map(Number);
  const check = body.pop();
  const total = body.reverse().reduce((sum, digit, place) => sum + digit * (place % 2 === 0 ? 3 : 1), 0);
  return (total + check) % 10 === 0;
}

/** Digits after the point in the number's shortest decimal form. */
function decimals(value) {
  const [, fraction = "", exponent = "0"] = /^-?\d+(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  return Math.max(fraction.length - Number(exponent), 0);
}

function isFlat(value) {
  if (Array.isArray(value)) return value.length <= MAX_LIST && value.every(isPlain);
  if (isObject(value)) {
    const entries = Object.entries(value);
    return entries.length <= 10 && entries.flat().every(isPlain);
  }
  return isPlain(value);
}

function isPlain(value) {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value === "string") return isText(value) && !value.includes("\0");
  return value === null || typeof value === "boolean";
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function limit(rule) {
  return { code: "limit", rule };
}

function unique(found) {
  const sorted = found.toSorted((a, b) => compare(a.code, b.code) || compare(a.rule, b.rule));
  return sorted.filter((one, at) => at === 0 || one.code !== sorted[at - 1].code || one.rule !== sorted[at - 1].rule);
}

/** Order two texts by code points, as the server does. */
export function compare(a, b) {
  const left = [...a];
  const right = [...b];
  for (let at = 0; at < left.length && at < right.length; at += 1) {
    if (left[at] !== right[at]) return left[at].codePointAt(0) - right[at].codePointAt(0);
  }
  return left.length - right.length;
}
