/** Jobs that became wider on site: what a technician asked for, and what came of it as far as this phone knows. */
import { number, t } from "$common/messages.ts";
import type { Body } from "./sync/wire.ts";
import type { World } from "./world.ts";

export interface Wanted {
  words: string;
  hours: number | null;
  parts: { part_id: string; qty: number }[];
}

export interface Wider {
  id: string;
  lines: unknown[];
  state: "waits" | "told" | "asked" | "expired" | "declined" | "confirmed" | "refused";
  /** What the customer was asked to pay, in words; empty where nobody asked them. */
  price: string;
  name: string;
  why: string;
  until: string | null;
}

const LONGEST_LINE = 300;

/** What is asked for as lines of the intent: each line of text is a thing of its own. */
export function linesOf({ words, hours, parts }: Wanted): object[] {
  const texts = words.split("\n").map((line) => line.trim().slice(0, LONGEST_LINE));
  return [
    ...texts.filter(Boolean).map((text) => ({ text })),
    ...parts.map(({ part_id, qty }) => ({ part_id, qty })),
    ...(hours && hours > 0 ? [{ kind: "labour", hours }] : []),
  ];
}

/** Everything that was asked for on this job, this phone's own last, before the server knows of it. */
export function listWider(world: World, visit: Body, order: Body): Wider[] {
  const known = ((order.scope_changes ?? []) as Body[]).map(read); // a server that is older than this app sends none
  const there = new Set(known.map(({ id }) => id));
  const mine = world.outbox.filter(
    ({ id, type, fresh, visit_id, outcome }) =>
      type === "scope.change" && fresh && visit_id === visit.id && !there.has(id) &&
      !["rejected", "quarantined"].includes(outcome?.status ?? ""),
  );
  const none = { price: "", name: "", why: "", until: null };
  return [...known, ...mine.map(({ id, data }) => ({ id, lines: data.lines as unknown[], state: "waits" as const, ...none }))];
}

function read(change: Body): Wider {
  const offer = change.offer as Body | null;
  const base = {
    id: change.id,
    lines: (change.lines ?? []) as unknown[],
    price: offer ? number(offer.price, { style: "currency", currency: change.currency }) : "",
    name: change.consent_by || offer?.name || "",
    until: offer?.expires_at ?? null,
  };
  if (change.outcome) return { ...base, state: change.outcome, why: change.ground };
  if (offer?.outcome === "refused") return { ...base, state: "declined", why: offer.ground };
  return { ...base, state: offer && !offer.outcome ? "asked" : "told", why: "" };
}

/** Where it stands, in a sentence; `when` writes an instant on the clocks of the site. */
export function said({ state, price, name, until }: Wider, now: number, when: (at: string) => string): string {
  if (state === "asked" && Date.parse(until!) <= now) return t("app.wider.is.expired", { price });
  if (state === "asked") return t("app.wider.is.asked", { price, until: when(until!) });
  if (state === "declined") return t("app.wider.is.declined", { name, price });
  if (state === "confirmed") return name ? t("app.wider.is.agreed", { name }) : t("app.wider.is.confirmed");
  return t(`app.wider.is.${state}` as "app.wider.is.told");
}

/** One line of what was asked for, in words. */
export function nameOf(world: World, line: any): string {
  const part = line?.part_id && world.parts.get(line.part_id);
  if (part) return line.qty > 1 ? `${part.name} × ${line.qty}` : part.name;
  if (line?.kind === "labour") return t("app.wider.hours_of", { hours: line.hours });
  return line?.text ?? (typeof line === "string" ? line : t("app.part.unknown"));
}
