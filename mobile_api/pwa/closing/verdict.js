/**
 * The closing verdict: what stands between a work order and its completion. No clock, no I/O.
 *
 * `verdict(template, facts)` answers on the phone what fsm/work_orders/closing.py answers on the server;
 * the vectors of the conformance kit hold the two together. `template` is the published document, `facts`
 * the form in which the vectors and an evidence pack hold them.
 */
import { compare, faults, hasRolledOver, isBlank, meterReading, ruleFields } from "./answers.js";
import { canonical } from "./canonical.js";
import { activation, codePoints, number, truth } from "./rules.js";

const MAX_PHOTOS = 100;
const MAX_NAME = 200;

/** The unmet codes with which work may still be finished: the phone holds those bytes until a receipt. */
export const FINISHABLE = new Set(["photo_pending", "photo_corrupt"]);

/** What only people read; it is no part of what judges. */
const WORDING = new Set(["label", "help", "constraint_text"]);

/** Which photo of a slot counts, and which slots are nearest to being complete. */
const STATE_RANK = { verified: 0, stored: 1, uploading: 2, declared: 3, corrupt: 4 };
const STATES = Object.keys(STATE_RANK).length;

/**
 * Return `{facts_rev, met, unmet, waived, flags}`, sorted as the server sorts them. The server's verdict
 * also names the rules: `rulesSha256(template)`.
 */
export function verdict(template, facts) {
  const sheet = new Sheet(template, facts);
  const bound = sheet.bound();
  const place = new Map(template.items.map((item, at) => [item.id, at]));
  let unmet = [];
  const flags = [...photoFlags(sheet), ...unknownItems(sheet)];
  for (const item of template.items) {
    const demand = demandOf(item, bound);
    const failed = [...demand.failed];
    if (demand.visible) {
      const judged = judge(item, demand, sheet, bound);
      unmet.push(...judged.found);
      if (judged.failed) failed.push("constraint");
    }
    flags.push(...failed.map((rule) => ({ at: pointer(item), code: "rule_error", rule })));
  }
  const { waived, refused } = waivers(sheet, unmet);
  const letGo = new Set(waived.map((one) => one.at));
  unmet = unmet.filter((one) => !letGo.has(one.at.split("/").slice(0, 3).join("/")));
  return {
    facts_rev: facts.facts_rev,
    met: unmet.length === 0,
    unmet: unmet.map(present).sort(by((one) => unmetOrder(place, one))),
    waived,
    flags: distinct([...flags, ...refused].map(present)).sort(by((one) => flagOrder(place, one))),
  };
}

/** Whether nothing is missing but bytes that the phone still holds: the technician may finish. */
export function finishAllowed(judged) {
  return judged.unmet.every((one) => FINISHABLE.has(one.code));
}

/** Return what is asked of each item by id: what a page shows while the sheet is being filled in. */
export function demands(template, facts) {
  const bound = new Sheet(template, facts).bound();
  return Object.fromEntries(template.items.map((item) => [item.id, demandOf(item, bound)]));
}

/** Return the ids of items whose answers ask for a corrective job, and of those whose rule failed. */
export function corrections(template, facts) {
  const bound = new Sheet(template, facts).bound();
  const wanted = [];
  const failed = [];
  for (const item of template.items) {
    if (item.corrective_if === undefined || !demandOf(item, bound).visible) continue;
    const outcome = truth(item.corrective_if, bound);
    if (outcome.error !== undefined) failed.push(item.id);
    else if (outcome.value) wanted.push(item.id);
  }
  return { wanted, failed };
}

/** Return the hex SHA-256 of what judges in a template: its items without their wording, in RFC 8785 form. */
export async function rulesSha256(template) {
  const judging = template.items.map((item) =>
    Object.fromEntries(
      Object.entries(item)
        .filter(([key]) => !WORDING.has(key))
        .map(([key, value]) => [key, key === "choices" ? value.map(({ code }) => ({ code })) : value]),
    ),
  );
  const bytes = new TextEncoder().encode(canonical({ items: judging }));
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The facts that count, by item. */
class Sheet {
  constructor(template, facts) {
    this.template = template;
    this.facts = { answers: [], photos: [], signatures: [], declines: [], waivers: [], ...facts };
    this.items = new Map(template.items.map((item) => [item.id, item]));
    this.answers = new Map();
    this.signatures = new Map();
    this.names = new Map();
    this.declines = new Map();
    this.slots = new Map();
    this.photos = new Map();
    for (const photo of this.facts.photos) {
      const held = this.photos.get(photo.photo_id);
      if (held === undefined || before(photoRank(photo), photoRank(held))) this.photos.set(photo.photo_id, photo);
    }
    template.items.forEach((item) => this.collect(item));
  }

  collect(item) {
    if (isMedia(item)) {
      this.slots.set(item.id, this.bestOfSlots(item));
    } else if (item.kind === "signature") {
      const signed = this.facts.signatures.filter((one) => this.counts(item, one));
      if (signed.length > 0) this.signatures.set(item.id, least(signed, (one) => this.signatureRank(one)));
      // What rules see must not depend on bytes that arrive later, so not on the rank above.
      const named = signed.filter((one) => isName(one.name));
      if (named.length > 0) {
        this.names.set(item.id, greatest(named, (one) => [order(one), one.visit, one.name]).name);
      }
      const declined = this.facts.declines.filter((one) => this.counts(item, one));
      if (declined.length > 0 && item.decline) {
        this.declines.set(item.id, greatest(declined, (one) => [order(one), one.visit]));
      }
    } else {
      const given = this.facts.answers.filter((one) => this.counts(item, one));
      if (given.length === 0) return;
      // The finishing visit's answer counts, else the newest.
      const isFinishing = (one) => (one.visit === this.facts.finishing_visit ? 1 : 0);
      const answer = greatest(given, (one) => [isFinishing(one), order(one), one.visit]);
      if (!isBlank(answer.value)) this.answers.set(item.id, answer);
    }
  }

  counts(item, fact) {
    return fact.item === item.id && this.inScope(item, fact.visit);
  }

  inScope(item, visit) {
    return item.scope !== "visit" || visit === this.facts.finishing_visit;
  }

  /** A named signature whose image is here counts; among equals the newest. */
  signatureRank(signature) {
    const photo = this.photos.get(signature.photo_id);
    const state = photo ? STATE_RANK[photo.state] : STATES;
    return [isName(signature.name) ? 0 : 1, state, -order(signature), signature.visit, signature.photo_id];
  }

  /** Slots are places on the sheet, whichever visit filled them. */
  bestOfSlots(item) {
    const best = new Map();
    for (const photo of this.facts.photos) {
      if (photo.item !== item.id || !this.inScope(item, photo.visit)) continue;
      const held = best.get(photo.slot);
      if (held === undefined || before(slotRank(item, photo), slotRank(item, held))) best.set(photo.slot, photo);
    }
    return best;
  }

  /** Bind what rules see; answers of a wrong shape are left out, like missing ones. */
  bound() {
    const seen = {};
    for (const [id, answer] of this.answers) {
      const fields = ruleFields(this.items.get(id), answer.value);
      if (fields !== undefined) seen[id] = fields;
    }
    for (const id of this.declines.keys()) seen[id] = { value: "", declined: true };
    for (const [id, name] of this.names) seen[id] = { value: name, declined: false };
    return activation(seen, this.facts.job ?? {}, this.facts.asset ?? {});
  }
}

/** Ask an item's `visible_if`, `required_if` and `photos_required`. A rule that fails hides nothing. */
function demandOf(item, bound) {
  const failed = [];
  let required = item.required ? "required" : null;
  if (item.visible_if !== undefined) {
    const shown = truth(item.visible_if, bound);
    if (shown.error !== undefined) {
      failed.push("visible_if");
      required ??= "visible_if";
    } else if (!shown.value) {
      return { visible: false, required: null, photos: 0, photosRule: null, failed: [] };
    }
  }
  if (item.required_if !== undefined) {
    const wanted = truth(item.required_if, bound);
    if (wanted.error !== undefined) failed.push("required_if");
    if (wanted.value !== false) required ??= "required_if";
  }
  if (!isMedia(item)) return { visible: true, required, photos: 0, photosRule: null, failed };
  const atLeast = item.min ?? 1;
  let photos = required ? atLeast : 0;
  let photosRule = required;
  if (item.photos_required !== undefined) {
    const count = number(item.photos_required, bound);
    let asked = atLeast;
    if (count.error !== undefined) failed.push("photos_required");
    else asked = Math.ceil(Math.min(Math.max(count.value, 0), MAX_PHOTOS));
    if (asked > photos) [photos, photosRule] = [asked, "photos_required"];
  }
  // A rule cannot ask for more than the sheet lets anybody add.
  return { visible: true, required, photos: Math.min(photos, item.max ?? Infinity), photosRule, failed };
}

/** Return what a visible item lacks, and whether its constraint could not be computed. */
function judge(item, demand, sheet, bound) {
  if (isMedia(item)) return { found: judgePhotos(item, demand, sheet), failed: false };
  const judged = item.kind === "signature" ? judgeSignature(item, demand, sheet) : judgeValue(item, demand, sheet);
  if (item.constraint === undefined || !judged.isAnswered) return { found: judged.found, failed: false };
  const outcome = truth(item.constraint, bound);
  if (outcome.value === false) judged.found.push({ at: pointer(item), code: "constraint", rule: "constraint" });
  return { found: judged.found, failed: outcome.error !== undefined };
}

function judgeValue(item, demand, sheet) {
  const answer = sheet.answers.get(item.id);
  if (answer === undefined) return { found: missing(item, demand), isAnswered: false };
  const wrong = faults(item, answer.value);
  const found = wrong.map((fault) => ({ at: pointer(item), ...fault }));
  if (wrong.some((fault) => fault.code === "shape")) return { found, isAnswered: false };
  if (item.kind === "meter" && runsBackwards(item, answer.value, sheet.facts)) {
    found.push({ at: pointer(item), code: "limit", rule: "last_reading" });
  }
  if (item.match !== undefined) {
    const codes = (item.match === "asset" ? sheet.facts.asset_codes : sheet.facts.part_codes) ?? [];
    if (!codes.includes(answer.value)) found.push({ at: pointer(item), code: "constraint", rule: "match" });
  }
  return { found, isAnswered: true };
}

/** A signature needs a name and the bytes of its image; a reason stands in for it where that is allowed. */
function judgeSignature(item, demand, sheet) {
  const signature = sheet.signatures.get(item.id);
  const isDeclined = sheet.declines.has(item.id);
  if (signature === undefined) {
    return isDeclined ? { found: [], isAnswered: true } : { found: missing(item, demand), isAnswered: false };
  }
  if (!isName(signature.name)) {
    return { found: [{ at: pointer(item), code: "shape", rule: "name" }], isAnswered: false };
  }
  const photo = sheet.photos.get(signature.photo_id);
  if (demand.required === null || photo?.state === "verified" || isDeclined) return { found: [], isAnswered: true };
  const lacking = photo
    ? notHereYet(item, 0, photo)
    : { at: pointer(item, 0), code: "photo_missing", rule: demand.required, photo_id: signature.photo_id };
  return { found: [lacking], isAnswered: true };
}

/** Return as many entries as slots lack verified bytes: those nearest to complete, then empty slots. */
function judgePhotos(item, demand, sheet) {
  const slots = sheet.slots.get(item.id);
  const waiting = [...slots]
    .map(([slot, photo]) => ({ slot, photo, rank: suitability(item, photo) }))
    .filter(({ photo }) => !isProof(item, photo))
    .sort(by(({ rank, slot }) => [rank, slot]));
  const short = demand.photos - (slots.size - waiting.length);
  const found = [];
  for (const { slot, photo } of waiting.slice(0, Math.max(short, 0))) {
    const wrong = mediaFaults(item, photo);
    if (wrong.length === 0) found.push(notHereYet(item, slot, photo));
    found.push(...wrong.map((fault) => ({ at: pointer(item, slot), ...fault, photo_id: photo.photo_id })));
  }
  let empty = short - waiting.length;
  for (let slot = 0; empty > 0; slot += 1) {
    if (slots.has(slot)) continue;
    found.push({ at: pointer(item, slot), code: "photo_missing", rule: demand.photosRule });
    empty -= 1;
  }
  return found;
}

function notHereYet(item, slot, photo) {
  const code = photo.state === "corrupt" ? "photo_corrupt" : "photo_pending";
  return { at: pointer(item, slot), code, photo_id: photo.photo_id, state: photo.state };
}

function missing(item, demand) {
  return demand.required ? [{ at: pointer(item), code: "required", rule: demand.required }] : [];
}

/** Whether a meter shows less than before and nobody has said that it began anew. */
function runsBackwards(item, value, facts) {
  const last = facts.last_readings?.[item.meter];
  return last !== undefined && meterReading(value) < last && !hasRolledOver(value);
}

function slotRank(item, photo) {
  return [suitability(item, photo), ...photoRank(photo)];
}

/** Order the photos of one id or slot: further along first. */
function photoRank(photo) {
  return [STATE_RANK[photo.state], photo.photo_id, photo.visit, photo.item, photo.slot];
}

/** Return how near a photo is to being proof, 0 being proof; an unsuitable one is farthest. */
function suitability(item, photo) {
  return mediaFaults(item, photo).length > 0 ? STATES : STATE_RANK[photo.state];
}

function isProof(item, photo) {
  return suitability(item, photo) === STATE_RANK.verified;
}

/** Return what the item's limits say against a photo. */
function mediaFaults(item, { mime = "image/jpeg", size = 1, seconds = null }) {
  return faults(item, seconds === null ? { mime, size } : { mime, size, seconds });
}

function waivers(sheet, unmet) {
  const lacking = new Map();
  for (const one of unmet) {
    const id = one.at.split("/")[2];
    lacking.set(id, (lacking.get(id) ?? new Set()).add(one.code));
  }
  const held = new Map();
  const refused = [];
  const sorted = sheet.facts.waivers.toSorted(by((one) => [one.item, one.by, one.reason, one.name ?? ""]));
  for (const waiver of sorted) {
    const item = sheet.items.get(waiver.item);
    if (item === undefined) continue; // flagged with the other facts about unknown items
    if (item.waiver !== "office") {
      refused.push({ at: pointer(item), code: "waiver_refused" });
    } else if (!held.has(item.id)) {
      const codes = [...(lacking.get(item.id) ?? [])].sort(compare);
      const { by: who, name = "", reason } = waiver;
      held.set(item.id, { at: pointer(item), by: who, name, reason, codes });
    }
  }
  return { waived: sheet.template.items.filter(({ id }) => held.has(id)).map(({ id }) => held.get(id)), refused };
}

/** Carry over what evidence found odd, and mark photos in slots that the item does not have. */
function photoFlags(sheet) {
  return sheet.facts.photos.flatMap((photo) => {
    const item = sheet.items.get(photo.item);
    if (item === undefined) return [];
    const at = pointer(item, photo.slot);
    const flags = (photo.flags ?? []).map(({ code, ref }) => ({ at, code, ref: ref || undefined }));
    const isExtra = isMedia(item) && item.max !== undefined && photo.slot >= item.max;
    return isExtra ? [...flags, { at, code: "extra_photo" }] : flags;
  });
}

function unknownItems(sheet) {
  const { answers, photos, signatures, declines, waivers: waived } = sheet.facts;
  const named = new Set([answers, photos, signatures, declines, waived].flat().map((fact) => fact.item));
  return [...named]
    .filter((name) => !sheet.items.has(name))
    .map((name) => ({ at: `/items/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, code: "unknown_item" }));
}

function isMedia(item) {
  return item.kind === "photo" || item.kind === "video";
}

function isName(name) {
  return typeof name === "string" && codePoints(name) <= MAX_NAME && !isBlank(name);
}

function order(fact) {
  return fact.order ?? 0;
}

/** Return the JSON pointer of an item or of one of its slots; ids need no escaping. */
function pointer(item, slot) {
  return slot === undefined ? `/items/${item.id}` : `/items/${item.id}/photos/${slot}`;
}

function unmetOrder(place, one) {
  const [, , id, , slot] = one.at.split("/");
  return [place.get(id), slot === undefined ? -1 : Number(slot), one.code, one.rule ?? "", one.photo_id ?? ""];
}

function flagOrder(place, one) {
  const [, , id, , slot] = one.at.split("/");
  const at = slot === undefined ? -1 : Number(slot);
  return [place.get(id) ?? place.size, at, one.at, one.code, one.rule ?? "", one.ref ?? ""];
}

/** Leave out members that say nothing. */
function present(one) {
  return Object.fromEntries(Object.entries(one).filter(([, value]) => value !== undefined && value !== null));
}

function distinct(flags) {
  const seen = new Map(flags.map((flag) => [JSON.stringify([flag.at, flag.code, flag.rule, flag.ref]), flag]));
  return [...seen.values()];
}

function least(facts, rank) {
  return facts.reduce((held, one) => (before(rank(one), rank(held)) ? one : held));
}

function greatest(facts, rank) {
  return facts.reduce((held, one) => (before(rank(held), rank(one)) ? one : held));
}

function before(a, b) {
  return by((rank) => rank)(a, b) < 0;
}

/** Return the comparison of two things by their ranks: lists of numbers and texts. */
function by(rank) {
  return (a, b) => {
    const left = rank(a);
    const right = rank(b);
    for (let at = 0; at < left.length; at += 1) {
      const difference = typeof left[at] === "number" ? left[at] - right[at] : compare(left[at], right[at]);
      if (difference !== 0) return difference;
    }
    return 0;
  };
}
