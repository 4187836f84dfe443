/** What is pointed at in a photo, as the technician knows it: the office's rows under the own last word. */
import type { Mark } from "$common/marks.ts";
import type { World } from "./world.ts";

export function marksOf(world: World, photo_id: string): Mark[] {
  const own = world.outbox.filter(
    ({ type, data, fresh, outcome }) =>
      type === "photo.mark" &&
      data.photo_id === photo_id &&
      fresh &&
      !["rejected", "quarantined"].includes(outcome?.status ?? ""),
  );
  own.sort((a, b) => a.n! - b.n!);
  return (own.at(-1)?.data.marks ?? world.photos.get(photo_id)?.marks ?? []) as Mark[];
}
