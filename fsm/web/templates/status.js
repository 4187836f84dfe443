const parts = ["progress", "checked", "further"].map((id) => document.getElementById(id));
const known = new Map(parts.map((part) => [part, part.innerHTML]));
let isTyped = Boolean(document.querySelector("[role=alert]"));
document.addEventListener("input", () => (isTyped = true));
async function look() {
  if (document.hidden) return;
  const answer = await fetch(document.getElementById("again").href).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of parts) {
    const now = page.getElementById(part.id);
    if (!now || now.innerHTML === known.get(part) || part.contains(document.activeElement)) continue;
    if (part.id === "further" && isTyped) continue;
    known.set(part, now.innerHTML);
    part.replaceChildren(...now.childNodes);
  }
}
setInterval(look, 30_000);
document.addEventListener("visibilitychange", look);
