/** What the office wrote, in the reader's language; times on the clocks of the place. */
import { currentLanguage } from "$common/messages.ts";
import { viewerZone } from "$common/times.ts";
import type { Body } from "./sync/wire.ts";
import type { World } from "./world.ts";

/** A text that is written by language: the reader's, else English, else any. */
export function written(text: Record<string, string> | undefined, otherwise = ""): string {
  if (!text) return otherwise;
  return text[currentLanguage()] ?? text.en ?? Object.values(text)[0] ?? otherwise;
}

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
