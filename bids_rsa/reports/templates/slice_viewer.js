"use strict";
// The slice viewer: three planes through a volume, drawn on canvases; no library, no network.
(() => {
  const PLANES = { z: [0, 1], y: [0, 2], x: [1, 2] };
  const NAMES = { z: "Axial", y: "Coronal", x: "Sagittal" };

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

  class SliceViewer extends MapViewer {
    constructor(root) {
      super(root);
      const [low, high] = this.content.box;
      this.place = this.content.start;
      this.mm = Math.max(...low.map((start, axis) => high[axis] - start)) / 230;
      this.inputs = [...root.querySelectorAll("input[type=number]")];
      this.canvases = Object.fromEntries(
        [...root.querySelectorAll("canvas")].map((canvas) => [canvas.dataset.axis, canvas])
      );
    }

    async prepare() {
      const { anatomy } = this.content;
      anatomy.grey = new Uint8Array(await unpack(anatomy.data));
      for (const [axis, canvas] of Object.entries(this.canvases)) this.prepareSlice(axis, canvas);
      this.inputs.forEach((input, axis) =>
        input.addEventListener("change", () => {
          const value = Number.parseFloat(input.value);
          if (Number.isFinite(value)) this.move(axis, value - this.place[axis]);
        })
      );
    }

    prepareSlice(axis, canvas) {
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
      for (const axis of Object.keys(this.canvases)) this.drawPlane(axis);
      this.inputs.forEach((input, axis) => { input.value = this.place[axis].toFixed(0); });
      const where = this.place.map((value) => value.toFixed(0)).join(", ");
      this.tell(`At (${where}) mm`, this.content.maps.map((map) => valueAt(map, this.place)));
    }

    drawPlane(axis) {
      const canvas = this.canvases[axis], context = canvas.getContext("2d");
      const { width, height } = canvas;
      const [across, upward] = PLANES[axis];
      const low = this.content.box[0], anatomy = this.content.anatomy, map = this.map;
      const picture = context.createImageData(width, height);
      const place = [...this.place];
      for (let row = 0, at = 0; row < height; row++) {
        place[upward] = low[upward] + (height - row - 0.5) * this.mm;
        for (let column = 0; column < width; column++, at += 4) {
          place[across] = low[across] + (column + 0.5) * this.mm;
          const behind = indexAt(anatomy, place);
          const level = behind < 0 ? 0 : anatomy.grey[behind];
          const grey = level === 0 ? 255 : level * 0.9;
          const value = valueAt(map, place);
          const alpha = this.opacity(value), k = this.colourAt(value);
          for (let c = 0; c < 3; c++) {
            picture.data[at + c] = alpha * this.colours[k + c] + (1 - alpha) * grey;
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

  startViewers(".slices", SliceViewer);
})();
