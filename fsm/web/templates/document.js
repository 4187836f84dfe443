const picked = document.getElementById("file");
const said = document.getElementById("said");
async function compare(file) {
  said.hidden = false;
  if (!globalThis.crypto?.subtle) {
    said.textContent = said.dataset.cannot;
    return;
  }
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  said.textContent = hex === said.dataset.sha256 ? said.dataset.same : said.dataset.other;
}
picked.addEventListener("change", () => picked.files[0] && compare(picked.files[0]));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const file = event.dataTransfer.files[0];
  if (file) compare(file);
});
