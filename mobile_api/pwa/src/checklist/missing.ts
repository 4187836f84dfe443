/** What stands in the way, in words: limits with their numbers, photos with how many. */
import { number, t } from "$common/messages.ts";
import type { Judged } from "../job.ts";
import { itemOf } from "../job.ts";
import type { Unmet } from "../sync/wire.ts";
import { written } from "../words.ts";

export function whatIsMissing(unmet: Unmet, judged: Judged): string {
  const item = judged.items.find(({ id }) => id === itemOf(unmet));
  const unit = item?.unit ? ` ${item.unit}` : "";
  switch (unmet.code) {
    case "required":
      return t(item?.kind === "signature" ? "app.unmet.signature" : "app.unmet.required");
    case "photo_missing":
      return t("app.unmet.photo");
    case "photo_pending":
      return t("app.unmet.pending");
    case "photo_corrupt":
      return t("app.unmet.corrupt");
    case "constraint":
      return unmet.rule === "match" ? t("app.unmet.match") : written(item?.constraint_text, t("app.unmet.constraint"));
    case "limit":
      break;
    case "shape":
      return t(unmet.rule === "name" ? "app.unmet.name" : "app.unmet.shape");
  }
  const limits: Record<string, () => string> = {
    min: () => t("app.unmet.min", { limit: `${number(item?.min)}${unit}` }),
    max: () => t("app.unmet.max", { limit: `${number(item?.max)}${unit}` }),
    decimals: () => t("app.unmet.decimals", { count: item?.decimals }),
    min_length: () => t("app.unmet.min_length", { count: item?.min_length ?? 1 }),
    max_length: () => t("app.unmet.max_length", { count: item?.max_length ?? 2_000 }),
    min_picks: () => t("app.unmet.min_picks", { count: item?.min_picks }),
    max_picks: () => t("app.unmet.max_picks", { count: item?.max_picks }),
    last_reading: () => t("app.unmet.last_reading"),
  };
  return limits[unmet.rule ?? ""]?.() ?? t("app.unmet.shape");
}
