"use strict";
// The slice viewer: three planes through a volume, drawn on canvases; no library, no network.
(() => {
  const NO_VALUE = -32768;
  const PLANES = { z: [0, 1], y: [0, 2], x: [1, 2] };
  const NAMES = { z: "Axial", y: "Coronal", x: "Sagittal" };

  function bytes(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }

  async function unpack(text) {
    const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  // where a place in mm lies in a volume's data; -1 outside
  function indexAt(volume, place) {
    const [nx, ny, nz] = volume.shape;
    const m = volume.inverse;
    const at = (row) =>
      Math.round(m[row] * place[0] + m[row + 1] * place[1] + m[row + 2] * place[2] + m[row + 3]);
    const i = at(0), j = at(4), k = at(8);
    return i < 0 || j < 0 || k < 0 || i >= nx || j >= ny || k >= nz ? -1 : i + nx * (j + ny * k);
  }

  function valueAt(volume, place) {
    const index = indexAt(volume, place);
    const step = index < 0 ? NO_VALUE : volume.steps[index];
    return step === NO_VALUE ? null : step * volume.step;
  }

  class Viewer {
    constructor(root) {
      this.root = root;
      this.content = JSON.parse(root.querySelector("script").textContent);
      const [low, high] = this.content.box;
      this.place = this.content.start;
      this.mm = Math.max(...low.map((start, axis) => high[axis] - start)) / 230;
      this.select = root.querySelector("select");
      this.slider = root.querySelector("input[type=range]");
      this.hide = root.querySelector("input[type=checkbox]");
      this.inputs = [...root.querySelectorAll("input[type=number]")];
      this.canvases = Object.fromEntries(
        [...root.querySelectorAll("canvas")].map((canvas) => [canvas.dataset.axis, canvas])
      );
    }

    async start() {
      const { anatomy, maps, palettes } = this.content;
      anatomy.grey = new Uint8Array(await unpack(anatomy.data));
      for (const map of maps) map.steps = new Int16Array(await unpack(map.data));
      this.palettes = Object.fromEntries(
        Object.entries(palettes).map(([name, text]) => [name, bytes(text)])
      );
      for (const [axis, canvas] of Object.entries(this.canvases)) this.prepare(axis, canvas);
      this.select.addEventListener("change", () => this.choose());
      this.slider.addEventListener("input", () => this.draw());
      this.hide.addEventListener("change", () => this.draw());
      this.inputs.forEach((input, axis) =>
        input.addEventListener("change", () => {
          const value = Number.parseFloat(input.value);
          if (Number.isFinite(value)) this.move(axis, value - this.place[axis]);
        })
      );
      this.choose();
      this.root.dataset.ready = "true";
    }

    prepare(axis, canvas) {
      const [low, high] = this.content.box;
      const [across, upward] = PLANES[axis];
      canvas.width = Math.max(1, Math.round((high[across] - low[across]) / this.mm));
      canvas.height = Math.max(1, Math.round((high[upward] - low[upward]) / this.mm));
      canvas.addEventListener("click", (event) => {
        const box = canvas.getBoundingClientRect();
        const place = [...this.place];
        const x = ((event.clientX - box.left) / box.width) * canvas.width;
        const y = ((event.clientY - box.top) / box.height) * canvas.height;
        place[across] = low[across] + x * this.mm;
        place[upward] = low[upward] + (canvas.height - y) * this.mm;
        this.go(place);
      });
      const through = "xyz".indexOf(axis);
      const keys = {
        ArrowLeft: [across, -1], ArrowRight: [across, 1], ArrowUp: [upward, 1],
        ArrowDown: [upward, -1], PageUp: [through, 1], PageDown: [through, -1],
      };
      canvas.addEventListener("keydown", (event) => {
        const step = keys[event.key];
        if (!step) return;
        event.preventDefault();
        this.move(step[0], step[1] * this.content.stepMm);
      });
    }

    choose() {
      this.map = this.content.maps[this.select.selectedIndex];
      const end = Math.max(Math.abs(this.map.low), Math.abs(this.map.high));
      this.slider.max = String(end);
      this.slider.step = String(end / 100);
      this.slider.value = String(this.map.threshold ?? 0);
      const [bar] = this.root.getElementsByClassName("bar");
      const colours = this.palettes[this.map.colours];
      const stops = [0, 32, 64, 96, 128, 160, 192, 224, 255].map(
        (k) => `rgb(${colours[3 * k]}, ${colours[3 * k + 1]}, ${colours[3 * k + 2]})`
      );
      bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
      this.root.querySelector(".low").textContent = this.map.low.toPrecision(3);
      this.root.querySelector(".high").textContent = `${this.map.high.toPrecision(3)} ${this.map.unit}`;
      this.draw();
    }

    go(place) {
      const [low, high] = this.content.box;
      this.place = place.map((value, axis) => Math.min(high[axis], Math.max(low[axis], value)));
      this.draw();
    }

    move(axis, by) {
      const place = [...this.place];
      place[axis] += by;
      this.go(place);
    }

    draw() {
      this.threshold = Number.parseFloat(this.slider.value);
      this.root.querySelector("output").textContent = this.threshold.toPrecision(3);
      for (const axis of Object.keys(this.canvases)) this.drawPlane(axis);
      this.inputs.forEach((input, axis) => { input.value = this.place[axis].toFixed(0); });
      const values = this.content.maps.map((map) => valueAt(map, this.place));
      [...this.root.querySelectorAll("dd")].forEach((cell, number) => {
        const value = values[number];
        cell.textContent = value === null ? "no value" : value.toPrecision(3);
      });
      const shown = values[this.select.selectedIndex];
      const where = this.place.map((value) => value.toFixed(0)).join(", ");
      this.root.querySelector("[role=status]").textContent =
        `At (${where}) mm: ${shown === null ? "no value" : `${shown.toPrecision(3)} ${this.map.unit}`}.`;
    }

    // how opaque a value is: faint below the threshold, or hidden
    opacity(value) {
      const size = Math.abs(value);
      if (this.threshold > 0) {
        if (size >= this.threshold) return 1;
        return this.hide.checked ? 0 : (size / this.threshold) ** 2;
      }
      return Math.min(1, size / (0.6 * Math.max(Math.abs(this.map.low), this.map.high)));
    }

    drawPlane(axis) {
      const canvas = this.canvases[axis], context = canvas.getContext("2d");
      const { width, height } = canvas;
      const [across, upward] = PLANES[axis];
      const low = this.content.box[0], anatomy = this.content.anatomy, map = this.map;
      const colours = this.palettes[map.colours], picture = context.createImageData(width, height);
      const place = [...this.place];
      for (let row = 0, at = 0; row < height; row++) {
        place[upward] = low[upward] + (height - row - 0.5) * this.mm;
        for (let column = 0; column < width; column++, at += 4) {
          place[across] = low[across] + (column + 0.5) * this.mm;
          const behind = indexAt(anatomy, place);
          const level = behind < 0 ? 0 : anatomy.grey[behind];
          const grey = level === 0 ? 255 : level * 0.9;
          const value = valueAt(map, place);
          let alpha = value === null ? 0 : this.opacity(value);
          if (value !== null && map.low === 0 && value < 0) alpha = 0;
          const part = value === null ? 0 : (value - map.low) / (map.high - map.low);
          const k = 3 * Math.round(255 * Math.min(1, Math.max(0, part)));
          for (let c = 0; c < 3; c++) {
            picture.data[at + c] = alpha * colours[k + c] + (1 - alpha) * grey;
          }
          picture.data[at + 3] = 255;
        }
      }
      context.putImageData(picture, 0, 0);
      this.drawCrosshair(context, canvas, across, upward);
      const through = "xyz".indexOf(axis);
      const where = `${axis} = ${this.place[through].toFixed(0)} mm`;
      canvas.setAttribute("aria-label", `${NAMES[axis]} slice at ${where}. ${map.name}`);
      canvas.parentElement.querySelector("figcaption").textContent = `${NAMES[axis]}, ${where}`;
    }

    drawCrosshair(context, canvas, across, upward) {
      const low = this.content.box[0];
      const x = (this.place[across] - low[across]) / this.mm;
      const y = canvas.height - (this.place[upward] - low[upward]) / this.mm;
      context.strokeStyle = "rgba(0, 110, 40, 0.75)";
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, canvas.height);
      context.moveTo(0, y);
      context.lineTo(canvas.width, y);
      context.stroke();
      if (across === 0) {
        context.fillStyle = "#000";
        context.font = "bold 12px sans-serif";
        context.fillText("L", 3, 13);
        context.fillText("R", canvas.width - 12, 13);
      }
    }
  }

  const viewers = {};
  for (const root of document.querySelectorAll(".viewer")) {
    const viewer = new Viewer(root);
    viewers[root.id] = viewer;
    viewer.start().catch((error) => {
      root.querySelector("[role=status]").textContent =
        `The viewer needs a newer browser (${error.message}). The pictures show the same maps.`;
    });
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
})();
