"use strict";
// What the viewers share: maps unpacked, chosen, thresholded, and told in words.
const NO_VALUE = -32768;
const viewers = {};

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

async function unpack(text) {
  const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

class MapViewer {
  constructor(root) {
    this.root = root;
    this.content = JSON.parse(root.querySelector("script").textContent);
    this.select = root.querySelector("select.map");
    this.slider = root.querySelector("input[type=range]");
    this.hide = root.querySelector("input[type=checkbox]");
  }

  async start() {
    const { maps, palettes } = this.content;
    for (const map of maps) map.steps = new Int16Array(await unpack(map.data));
    this.palettes = Object.fromEntries(
      Object.entries(palettes).map(([name, text]) => [name, bytes(text)])
    );
    await this.prepare();
    this.select.addEventListener("change", () => this.choose());
    this.slider.addEventListener("input", () => this.redraw());
    this.hide.addEventListener("change", () => this.redraw());
    this.choose();
    this.root.dataset.ready = "true";
  }

  choose() {
    this.map = this.content.maps[this.select.selectedIndex];
    this.colours = this.palettes[this.map.colours];
    const end = Math.max(Math.abs(this.map.low), Math.abs(this.map.high));
    this.slider.max = String(end);
    this.slider.step = String(end / 100);
    this.slider.value = String(this.map.threshold ?? 0);
    const [bar] = this.root.getElementsByClassName("bar");
    const stops = [0, 32, 64, 96, 128, 160, 192, 224, 255].map(
      (k) => `rgb(${this.colours.slice(3 * k, 3 * k + 3).join(", ")})`
    );
    bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    this.root.querySelector(".low").textContent = this.map.low.toPrecision(3);
    this.root.querySelector(".high").textContent =
      `${this.map.high.toPrecision(3)} ${this.map.unit}`;
    this.redraw();
  }

  redraw() {
    this.threshold = Number.parseFloat(this.slider.value);
    this.root.querySelector("output").textContent = this.threshold.toPrecision(3);
    this.draw();
  }

  // how opaque a value is: faint near 0 or below the threshold, or hidden
  opacity(value) {
    if (value === null || (this.map.low === 0 && value < 0)) return 0;
    const size = Math.abs(value);
    if (this.threshold > 0) {
      if (size >= this.threshold) return 1;
      return this.hide.checked ? 0 : (size / this.threshold) ** 2;
    }
    if (this.map.opacity !== null) return size > 0 ? this.map.opacity : 0;
    return Math.min(1, size / (0.6 * Math.max(Math.abs(this.map.low), this.map.high)));
  }

  // where in the colour map a value is
  colourAt(value) {
    const part = (value - this.map.low) / (this.map.high - this.map.low);
    return 3 * Math.round(255 * Math.min(1, Math.max(0, part)));
  }

  // a value of the map chosen, in words
  words(value) {
    return value === null ? "no value" : `${value.toPrecision(3)} ${this.map.unit}`;
  }

  // the value chosen in the status line, those of all maps in the list
  tell(where, values) {
    [...this.root.querySelectorAll("dd")].forEach((cell, number) => {
      const value = values[number];
      cell.textContent = value === null ? "no value" : value.toPrecision(3);
    });
    this.root.querySelector("[role=status]").textContent =
      `${where}: ${this.words(values[this.select.selectedIndex])}.`;
  }
}

function startViewers(selector, Kind) {
  for (const root of document.querySelectorAll(selector)) {
    const viewer = new Kind(root);
    viewers[root.id] = viewer;
    viewer.start().catch((error) => {
      root.querySelector("[role=status]").textContent =
        `The viewer needs a newer browser (${error.message}). The pictures show the same maps.`;
    });
  }
}

for (const button of document.querySelectorAll("button[data-place]")) {
  button.addEventListener("click", () => {
    const viewer = viewers[button.dataset.viewer];
    const option = [...viewer.select.options].findIndex((one) => one.value === button.dataset.map);
    if (option >= 0) viewer.select.selectedIndex = option;
    viewer.choose();
    viewer.go(JSON.parse(button.dataset.place));
    viewer.root.scrollIntoView();
    viewer.select.focus();
  });
}
