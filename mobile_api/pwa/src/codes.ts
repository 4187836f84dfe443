/**
 * What a scanned or typed code means on this phone: a machine by any of its names, or a part by its number.
 *
 * A label is read as the server reads it (fsm/assets/scanned.py), so that a code finds the same machine with a
 * line and without one.
 */
import type { Body } from "./sync/wire.ts";
import type { World } from "./world.ts";
import { isOver, isTaken } from "./world.ts";

export interface Meaning {
  /** What was read, as people would say it. */
  code: string;
  asset?: Body;
  part?: Body;
  /** A passport's code that no machine on this phone carries. */
  passport?: string;
  /** Visits of this technician at the machine that are still to be done. */
  visits: Body[];
}

export function meaningOf(world: World, text: string): Meaning {
  const readings = readingsOf(text);
  const passport = readings.map(passportIn).find((code) => code !== null);
  const code = passport ?? clean(text);
  const meant = new Set(readings.map(plain).filter(Boolean));
  const asset = namedBy(meant, world.assets.values()) ?? saidBy(foldedCode(text), world.assets.values());
  const part = [...world.parts.values()].find(({ number }) => meant.has(plain(number)));
  const visits = asset ? openVisitsAt(world, asset) : [];
  return { code, visits, ...(asset && { asset }), ...(part && { part }), ...(passport && !asset && { passport }) };
}

/** The step by which work at a visit begins or goes on; null while it is going on. */
export function stepToWork(visit: Body): "visit.start" | "visit.resume" | null {
  if (visit.status === "paused") return "visit.resume";
  return isWorkedAt(visit) ? null : "visit.start";
}

/**
 * The visit that a scan alone starts: the only one there that is begun, else the only one that is due, as long
 * as no work goes on elsewhere. In every other case the technician chooses.
 */
export function visitToStart(world: World, { visits }: Meaning, isDue: (visit: Body) => boolean): Body | null {
  const begun = visits.filter(({ status }) => status !== "dispatched");
  const [visit = null, ...others] = begun.length ? begun : visits.filter(isDue);
  const isBusy = mine(world).some((one) => one.id !== visit?.id && isWorkedAt(one));
  return others.length || isBusy ? null : visit;
}

function isWorkedAt(visit: Body): boolean {
  return visit.status === "on_site" && visit.work_started_at != null;
}

function mine(world: World): Body[] {
  return [...world.visits.values()].filter(({ technician_id }) => technician_id === world.technician_id);
}

function openVisitsAt(world: World, asset: Body): Body[] {
  return mine(world)
    .filter((visit) => world.work_orders.get(visit.work_order_id)?.asset_id === asset.id)
    .filter((visit) => !isOver(visit) && !isTaken(world, visit))
    .sort((a, b) => a.planned_starts_at.localeCompare(b.planned_starts_at));
}

/** Everything that a label on the machine may say. */
export function codesOf(asset: Body): string[] {
  return NAMED.flatMap((names) => names(asset)).filter(Boolean);
}

/** What a machine is called, the names that nobody else can have first. */
const NAMED: ((asset: Body) => string[])[] = [
  ({ passports }) => passports,
  ({ identifiers }) => identifiers.map(({ value }: Body) => value),
  ({ number }) => [number],
  ({ serial }) => [serial],
];

function namedBy(meant: Set<string>, assets: Iterable<Body>): Body | undefined {
  const all = [...assets];
  for (const names of NAMED) {
    const asset = all.find((one) => names(one).some((name) => name && meant.has(plain(name))));
    if (asset) return asset;
  }
  return undefined;
}

/** The machine of which somebody has read out the first half of a passport's code. */
function saidBy(half: string, assets: Iterable<Body>): Body | undefined {
  const isMeant = (code: string) => half.length === SHORT_LENGTH && code.startsWith(half);
  return [...assets].find(({ passports }) => passports.some(isMeant));
}

// --- reading a label ----------------------------------------------------------------------------------

const CODE_LENGTH = 16;
const SHORT_LENGTH = 8;
const CODE = /^[0-9a-hjkmnp-tv-z]+$/;
/** Letters that a code never has, for what a reader means by them. */
const MEANT: Record<string, string> = {
  o: "0", i: "1", l: "1",
  а: "a", в: "b", с: "c", е: "e", н: "h", к: "k", м: "m", о: "0", р: "p", т: "t", у: "y", х: "x",
};
/** What hand scanners put between and before the elements of a GS1 string. */
const SEPARATOR = "\x1d";
const SYMBOLOGY = /^\][A-Za-z][0-9A-Za-z]/;
/** Elements of a length of their own; every other one ends at a separator. */
const FIXED: Record<string, number> = {
  "00": 18, "01": 14, "02": 14, "03": 14, "04": 16, 11: 6, 12: 6, 13: 6, 14: 6, 15: 6, 16: 6, 17: 6, 18: 6, 19: 6, 20: 2, 41: 13,
};
const VARIABLE = ["8004", "240", "241", "250", "10", "21", "22"];
const NFC = /^(?:[0-9A-Fa-f]{2}[:\- ]?){3,9}[0-9A-Fa-f]{2}$/;

/** Everything that a label may say: our address, a GS1 link or element string, a code, a tag, a plain name. */
export function readingsOf(text: string): string[] {
  const label = clean(text);
  const path = pathIn(label);
  if (path !== null) return [...inAddress(path), label, label.split("#")[0]!.replace(/\/+$/, "")];
  const bare = label.replace(SYMBOLOGY, "").replaceAll(SEPARATOR, "");
  const passport = passportIn(bare);
  const tag = NFC.test(bare) ? [bare.replace(/[:\- ]/g, "")] : [];
  return [...(passport ? [passport] : []), ...namesIn(elementsOf(label)), bare, ...tag].filter(Boolean);
}

/** The passport's code that somebody meant, with what readers and keyboards make of it; null for anything else. */
export function passportIn(text: string): string | null {
  const code = foldedCode(text);
  return code.length === CODE_LENGTH && CODE.test(code) ? code : null;
}

function foldedCode(text: string): string {
  const folded = text.normalize("NFKC").toLowerCase().replace(/[\s\p{Pd}\p{Zs}\p{Cf}\p{Pc}]/gu, "");
  return [...folded].map((letter) => MEANT[letter] ?? letter).join("");
}

function clean(text: string): string {
  return text.normalize("NFC").replace(/(?!\x1d)[\p{Cc}\p{Cs}]/gu, "").replace(/^[\s\x1d\u200b]+|[\s\x1d\u200b]+$/g, "");
}

/** The path of an address, also of one written without its scheme; null for what is none. */
function pathIn(label: string): string | null {
  return /^(?:https?:\/\/[^/?#]*|[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::[0-9]+)?(?=\/))([^?#]*)/i.exec(label)?.[1] ?? null;
}

function inAddress(path: string): string[] {
  const segments = path.split("/").filter(Boolean).map(unescaped);
  const after = (key: string) => segments[segments.findIndex((one, at) => one.toLowerCase() === key && at + 1 < segments.length) + 1];
  const code = segments.some((one) => one.toLowerCase() === "p") ? passportIn(after("p") ?? "") : null;
  const has = (key: string) => segments.slice(0, -1).includes(key);
  const named = Object.fromEntries(["8004", "01", "21"].filter(has).map((key) => [key, after(key)!]));
  return [...(code ? [code] : []), ...namesIn(named)];
}

/** A part of an address without its escapes; one that is broken stays as it is. */
function unescaped(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function elementsOf(label: string): Record<string, string> {
  if (label.startsWith("(")) {
    return Object.fromEntries([...label.matchAll(/\(([0-9]{2,4})\)([^(]+)/g)].map(([, key, value]) => [key!, value!.trim()]));
  }
  const found: Record<string, string> = {};
  let rest = label.replace(SYMBOLOGY, "");
  while ((rest = rest.replace(/^\x1d+/, ""))) {
    const fixed = FIXED[rest.slice(0, 2)];
    const key = fixed ? rest.slice(0, 2) : VARIABLE.find((one) => rest.startsWith(one));
    const ends = rest.indexOf(SEPARATOR);
    if (!key && (ends < 0 || !Object.keys(found).length)) break;
    const length = key && fixed ? key.length + fixed : ends < 0 ? rest.length : ends;
    const value = rest.slice(key?.length ?? 0, length);
    if (fixed && !(value.length === fixed && /^\d+$/.test(value))) return {};
    if (key) found[key] ??= value;
    rest = rest.slice(length);
  }
  return found;
}

function namesIn(elements: Record<string, string>): string[] {
  const { "8004": giai, "01": gtin, "21": serial } = elements;
  return [...(giai ? [giai] : []), ...(gtin && serial ? [`${gtin.trim().padStart(14, "0")}/${serial}`] : [])];
}

function plain(code: string): string {
  return code.replace(/[\s-]/g, "").toUpperCase() || code;
}
