"use strict";
// Copies texts, and names the pair of conditions under the pointer in an RDM.
(() => {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    button.addEventListener("click", async () => {
      const say = (text) => { button.nextElementSibling.textContent = text; };
      try {
        await navigator.clipboard.writeText(source.textContent);
        say("Copied.");
      } catch {
        const range = document.createRange();
        range.selectNodeContents(source);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        say("Selected: press Ctrl+C to copy.");
      }
    });
  }
  for (const image of document.querySelectorAll("img[data-names]")) {
    const names = JSON.parse(image.dataset.names), cells = JSON.parse(image.dataset.cells);
    image.addEventListener("mousemove", (event) => {
      const box = image.getBoundingClientRect(), n = names.length;
      const at = (part, size) => Math.min(n - 1, Math.max(0, Math.floor((part / size) * n)));
      const j = at(event.clientX - box.left, box.width), i = at(event.clientY - box.top, box.height);
      const [a, b] = i < j ? [i, j] : [j, i];
      const value = a === b ? 0 : cells[a * n - (a * (a + 1)) / 2 + b - a - 1];
      image.title = `${names[i]} – ${names[j]}: ${value === null ? "left out" : value}`;
    });
  }
})();
