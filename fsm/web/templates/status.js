const again = document.getElementById("again");
const told = document.getElementById("told");
const parts = ["progress", "further", "checked"].map((id) => document.getElementById(id));
const known = new Map(parts.map((part) => [part, part.innerHTML]));
const isRefused = Boolean(document.querySelector("[role=alert]"));
const isChanged = (field) =>
  field.localName === "select"
    ? field.value !== (field.querySelector("[selected]") ?? field.options[0]).value
    : field.value !== field.defaultValue || field.checked !== field.defaultChecked;
const isInUse = (part) =>
  part.contains(document.activeElement) ||
  part.querySelector("details[open]") ||
  [...part.querySelectorAll("input, textarea, select")].some((field) => isRefused || isChanged(field));
const stepOf = (part) => [...part.querySelectorAll(".reached b, .now b")].pop()?.textContent;
let isLooking = false;
async function bring() {
  const answer = await fetch(again.href);
  if (answer.status === 410) return location.replace(again.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  let isAllShown = true;
  for (const part of parts) {
    const now = page.getElementById(part.id);
    if (!now || now.innerHTML === known.get(part)) continue;
    if (part.id === "checked" ? !isAllShown : isInUse(part)) {
      isAllShown = false;
      continue;
    }
    if (stepOf(now) !== stepOf(part)) told.textContent = stepOf(now);
    known.set(part, now.innerHTML);
    part.replaceChildren(...now.childNodes);
  }
}
async function look() {
  if (document.hidden || isLooking) return;
  isLooking = true;
  await bring().catch(() => null);
  isLooking = false;
}
setInterval(look, 30_000);
document.addEventListener("visibilitychange", look);
