/** Places, times on their clocks, reasons. */
import { t } from "$common/messages.ts";
import { dayName, dayOf, span, viewerZone } from "$common/times.ts";
import type { Erased } from "./store/database.ts";
import type { Body } from "./sync/wire.ts";
import { type World, isOver } from "./world.ts";

export { written } from "$common/checklist.ts";

export function zoneOf(world: World, visit: Body): string {
  const order = world.work_orders.get(visit.work_order_id);
  return world.sites.get(order?.site_id)?.zone ?? order?.zone ?? viewerZone;
}

export function addressOf(site: Body | undefined): string {
  return site ? [site.address, site.city].filter(Boolean).join(", ") : "";
}

/** Opens the phone's own map. */
export function mapLink(site: Body): string {
  const place = encodeURIComponent(addressOf(site) || site.name);
  const { latitude, longitude } = site;
  if (/iPhone|iPad|Macintosh/.test(navigator.userAgent)) {
    const at = latitude == null ? "" : `&ll=${latitude},${longitude}`;
    return `maps://?q=${place}${at}`;
  }
  return latitude == null ? `geo:0,0?q=${place}` : `geo:${latitude},${longitude}?q=${latitude},${longitude}(${place})`;
}

export function reasonsOf(world: World, kind: string): Body[] {
  return [...world.reasons.values()].filter((reason) => reason.kind === kind);
}

/** What the browser erased, and what is back of it. */
export function erasure({ steps, photos }: Erased): string {
  const back = steps ? t("app.erased.steps", { count: steps }) : t("app.erased.no_steps");
  return [t("app.erased"), back, photos ? t("app.erased.photos", { count: photos }) : ""].filter(Boolean).join(" ");
}

/** That the office moved a visit, and where it was before; empty when it did not, or the technician has read it. */
export function movedFrom(world: World, visit: Body, zone: string): string {
  const was = world.moved[visit.id];
  if (!was || isOver(visit)) return "";
  const isSameDay = dayOf(was.starts_at, zone) === dayOf(visit.planned_starts_at, zone);
  const before = span(was.starts_at, was.ends_at, zone);
  return t("app.moved", { before: isSameDay ? before : `${dayName(was.starts_at, zone)}, ${before}` });
}
