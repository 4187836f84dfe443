const box = document.getElementById("text");
const hints = document.getElementById("hints");
box.addEventListener("input", () => {
  const typed = box.value.toLowerCase().match(/[\p{L}\p{N}]{2,}/gu) ?? [];
  let fits = false;
  for (const hint of hints.querySelectorAll(".hint")) {
    const said = [...hint.querySelectorAll("p")].map((one) => one.textContent.toLowerCase()).join(" ");
    const code = hint.querySelector(".code").textContent.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
    const mine = typed.some((word) => (word.length > 3 && said.includes(word.slice(0, 4))) || word === code);
    hint.hidden = typed.length > 0 && !mine;
    fits ||= mine;
  }
  hints.open = fits;
});
