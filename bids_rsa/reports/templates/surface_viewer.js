"use strict";
// The surface viewer: hemispheres that turn, drawn in software with a depth buffer; no WebGL.
(() => {
  const AMBIENT = 0.7, SULCUS = 0.52 * 255, GYRUS = 0.72 * 255;  // as in the pictures
  const VIEWS = {  // turn from the lateral view, and height of the eye, in degrees
    lateral: [0, 0], medial: [180, 0], dorsal: [90, 90], ventral: [-90, -90],
    anterior: [-90, 0], posterior: [90, 0],
  };
  const TURN_BY_KEY = 10, DEGREES_PER_PIXEL = 0.5, LARGEST_ZOOM = 12;
  const MOST_AWAY_MM = 10;  // of a place from the nearest vertex
  const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const SIDES = { L: "left", R: "right" };

  // geometries are shared by the viewers of a page, and unpacked once
  const geometries = new Map();

  function geometryOf(id) {
    if (!geometries.has(id)) {
      geometries.set(id, unpackGeometry(JSON.parse(document.getElementById(id).textContent)));
    }
    return geometries.get(id);
  }

  async function unpackGeometry(geometry) {
    const [first] = geometry.hemispheres, unpacked = [];
    let start = 0;
    for (const one of geometry.hemispheres) {
      const n = one.n_shown, indices = await unpack(one.faces ?? first.faces);
      const faces = n > 65536 ? new Uint32Array(indices) : new Uint16Array(indices);
      const surfaces = {};
      for (const [name, packed] of Object.entries(one.surfaces)) {
        const points = Float32Array.from(new Int16Array(await unpack(packed.data)), (x) => x * packed.step);
        surfaces[name] = { points, ...lit(points, faces, n) };
      }
      const vertices = one.vertices ? new Uint32Array(await unpack(one.vertices)) : null;
      const sulci = new Uint8Array(await unpack(one.sulci));
      unpacked.push({ side: one.side, n, start, faces, surfaces, vertices, sulci });
      start += n;
    }
    return unpacked;
  }

  // outward normals of the vertices, the middle of a surface, and half its length
  function lit(points, faces, n) {
    const normals = new Float32Array(3 * n), nFaces = faces.length / 3;
    const middle = [0, 1, 2].map((axis) => {
      let low = Infinity, high = -Infinity;
      for (let v = axis * n; v < (axis + 1) * n; v++) {
        low = Math.min(low, points[v]);
        high = Math.max(high, points[v]);
      }
      return { middle: (low + high) / 2, half: (high - low) / 2 };
    });
    let outward = 0;
    for (let t = 0; t < nFaces; t++) {
      const a = faces[t], b = faces[t + nFaces], c = faces[t + 2 * nFaces];
      const edge = (v, axis) => points[v + axis * n] - points[a + axis * n];
      const [ux, uy, uz] = [edge(b, 0), edge(b, 1), edge(b, 2)];
      const [vx, vy, vz] = [edge(c, 0), edge(c, 1), edge(c, 2)];
      const normal = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
      for (let axis = 0; axis < 3; axis++) {
        for (const v of [a, b, c]) normals[v + axis * n] += normal[axis];
        outward += normal[axis] * (points[a + axis * n] - middle[axis].middle);
      }
    }
    for (let v = 0; v < n; v++) {
      const length = Math.hypot(normals[v], normals[v + n], normals[v + 2 * n]) || 1;
      for (let axis = 0; axis < 3; axis++) normals[v + axis * n] *= Math.sign(outward) / length;
    }
    return { normals, middle: middle.map((one) => one.middle), half: Math.max(...middle.map((one) => one.half)) };
  }

  class SurfaceViewer extends MapViewer {
    constructor(root) {
      super(root);
      this.canvas = root.querySelector("canvas");
      this.sides = root.querySelector("select.sides");
      this.surface = root.querySelector("select.surface");
      this.views = root.querySelector("select.views");
      this.vertex = root.querySelector("input[type=number]");
      this.pointer = root.querySelector(".pointer");
      this.turn = this.height = 0;
      this.zoom = 1;
      this.offset = [0, 0];
    }

    async prepare() {
      this.hemispheres = await geometryOf(this.content.geometry);
      const { width, height } = this.canvas, size = width * height;
      this.context = this.canvas.getContext("2d");
      this.picture = this.context.createImageData(width, height);
      this.pixels = new Uint32Array(this.picture.data.buffer);
      this.depth = new Float32Array(size);
      this.light = new Float32Array(size);
      this.found = new Int32Array(size);  // the vertex at each pixel, of all hemispheres; -1: none
      this.mark(this.highest());
      this.views.value = this.isOutside() ? "lateral" : "medial";
      [this.turn, this.height] = VIEWS[this.views.value];
      for (const select of [this.sides, this.surface]) {
        select.addEventListener("change", () => this.show());
      }
      this.views.addEventListener("change", () => this.look(...VIEWS[this.views.value]));
      this.vertex.addEventListener("change", () => this.markNumber(Number(this.vertex.value)));
      for (const button of this.root.querySelectorAll("button[data-zoom]")) {
        button.addEventListener("click", () => this.zoomBy(Number(button.dataset.zoom), this.steady()));
      }
      this.listen();
    }

    // the vertex with the highest value of the first map
    highest() {
      const { steps } = this.content.maps[0];
      let best = 0;
      for (let v = 1; v < steps.length; v++) if (steps[v] > steps[best]) best = v;
      return best;
    }

    // whether the vertex marked is seen from the outside, and not from the midline
    isOutside() {
      const one = this.hemisphereOf(this.marked);
      const x = this.surfaceOf(one).normals[this.marked - one.start];
      return one.side === "L" ? x < 0 : x > 0;
    }

    get shown() {
      const chosen = this.sides.value;
      return this.hemispheres.filter((one) => chosen === "both" || one.side === chosen);
    }

    surfaceOf(one) {
      return one.surfaces[this.surface.value];
    }

    hemisphereOf(vertex) {
      return this.hemispheres.find((one) => vertex < one.start + one.n);
    }

    // ---- what is marked

    mark(vertex) {
      this.marked = vertex;
      const one = this.hemisphereOf(vertex);
      if (!this.shown.includes(one)) this.sides.value = one.side;
    }

    // mark a vertex by its number in the mesh, on the side of the vertex marked now
    markNumber(number) {
      const one = this.hemisphereOf(this.marked);
      const own = one.vertices ? one.vertices.indexOf(number) : number;
      if (Number.isInteger(own) && own >= 0 && own < one.n) {
        this.mark(one.start + own);
        this.face();
      }
      this.show();
    }

    // mark the vertex nearest to a place in mm on the folded surface, and turn to it
    go(place) {
      let best = 0, least = Infinity;
      for (const one of this.hemispheres) {
        const { points } = one.surfaces.folded;
        for (let v = 0; v < one.n; v++) {
          const away = Math.hypot(...place.map((x, axis) => x - points[v + axis * one.n]));
          if (away < least) [best, least] = [one.start + v, away];
        }
      }
      if (least > MOST_AWAY_MM) {
        this.root.querySelector("[role=status]").textContent =
          `(${place.map((x) => x.toFixed(0)).join(", ")}) mm is not on the cortex shown.`;
        return;
      }
      this.mark(best);
      this.face();
      this.show();
    }

    // turn so that the vertex marked faces the eye
    face() {
      const one = this.hemisphereOf(this.marked), { normals } = this.surfaceOf(one);
      const [x, y, z] = [0, 1, 2].map((axis) => normals[this.marked - one.start + axis * one.n]);
      const around = (Math.atan2(y, x) * 180) / Math.PI;
      this.turn = one.side === "L" ? around - 180 : -around;
      this.height = Math.max(-60, Math.min(60, (Math.asin(z) * 180) / Math.PI));
      this.views.value = "";
      this.reset();
    }

    reset() {
      this.zoom = 1;
      this.offset = [0, 0];
    }

    look(turn, height) {
      [this.turn, this.height] = [turn, height];
      this.reset();
      this.show();
    }

    turnBy(across, down) {
      this.turn += across;
      this.height = Math.max(-90, Math.min(90, this.height + down));
      this.views.value = "";
      this.show();
    }

    zoomBy(factor, at = [0, 0]) {
      const zoom = Math.max(1, Math.min(LARGEST_ZOOM, this.zoom * factor));
      // what lies at the place given stays there
      this.offset = zoom === 1 ? [0, 0] : this.offset.map((x, k) => at[k] - ((at[k] - x) * zoom) / this.zoom);
      this.zoom = zoom;
      this.show();
    }

    // ---- pointer and keys

    listen() {
      const canvas = this.canvas;
      let last = null, moved = false;
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        [last, moved] = [this.at(event), false];
      });
      canvas.addEventListener("pointermove", (event) => {
        const place = this.at(event);
        if (last === null) {
          this.point(this.found[this.pixelAt(place)]);
          return;
        }
        const [dx, dy] = place.map((x, k) => x - last[k]);
        if (!moved && Math.hypot(dx, dy) < 4) return;
        moved = true;
        const own = this.panels().find((panel) => place[0] < panel.end) ?? this.panels()[0];
        last = place;
        if (event.shiftKey) {
          this.offset = [this.offset[0] + dx, this.offset[1] + dy];
          this.show();
        } else {
          this.turnBy(this.signOf(own.one) * dx * DEGREES_PER_PIXEL, dy * DEGREES_PER_PIXEL);
        }
      });
      canvas.addEventListener("pointerup", (event) => {
        const vertex = this.found[this.pixelAt(this.at(event))];
        if (last !== null && !moved && vertex >= 0) {
          this.mark(vertex);
          this.show();
        }
        last = null;
      });
      canvas.addEventListener("pointercancel", () => { last = null; });
      canvas.addEventListener("pointerleave", () => this.point(-1));
      canvas.addEventListener("wheel", (event) => {
        if (document.activeElement !== canvas) return;  // else the page scrolls
        event.preventDefault();
        const place = this.at(event), panel = this.panels().find((one) => place[0] < one.end);
        const middle = panel ? [panel.x, panel.y] : place;
        this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8, place.map((x, k) => x - middle[k]));
      }, { passive: false });
      canvas.addEventListener("keydown", (event) => this.press(event));
    }

    press(event) {
      const way = DIRECTIONS[event.key];
      if (way && event.shiftKey) this.step(way);
      else if (way) {
        this.turnBy(this.signOf(this.shown[0]) * way[0] * TURN_BY_KEY, way[1] * TURN_BY_KEY);
      } else if (event.key === "+" || event.key === "=") this.zoomBy(1.25, this.steady());
      else if (event.key === "-") this.zoomBy(0.8, this.steady());
      else if (event.key === "Home") {
        this.views.value = "lateral";
        this.look(...VIEWS.lateral);
      } else return;
      event.preventDefault();
    }

    // mark the neighbour of the vertex marked that lies in a direction of the picture
    step(way) {
      const one = this.hemisphereOf(this.marked), own = this.marked - one.start;
      const panel = this.panels().find((each) => each.one === one), here = this.project(panel, own);
      const { faces } = one, nFaces = faces.length / 3;
      let best = own, most = 0;
      for (let t = 0; t < nFaces; t++) {
        const corners = [faces[t], faces[t + nFaces], faces[t + 2 * nFaces]];
        if (!corners.includes(own)) continue;
        for (const vertex of corners) {
          const [x, y] = this.project(panel, vertex), [dx, dy] = [x - here[0], y - here[1]];
          const along = (dx * way[0] + dy * way[1]) / (Math.hypot(dx, dy) || 1);
          if (along > most) [best, most] = [vertex, along];
        }
      }
      this.mark(one.start + best);
      this.show();
    }

    // the place of an event in pixels of the canvas
    at(event) {
      const { canvas } = this, box = canvas.getBoundingClientRect();
      return [  // without the border
        ((event.clientX - box.left - canvas.clientLeft) / canvas.clientWidth) * canvas.width,
        ((event.clientY - box.top - canvas.clientTop) / canvas.clientHeight) * canvas.height,
      ];
    }

    pixelAt([x, y]) {
      const { width, height } = this.canvas;
      const inside = x >= 0 && y >= 0 && x < width && y < height;
      return inside ? Math.floor(y) * width + Math.floor(x) : 0;
    }

    // tell the value under the pointer, without announcing each
    point(vertex) {
      const value = vertex < 0 ? null : this.valueOf(this.map, vertex);
      this.pointer.textContent = vertex < 0 ? "" : `Pointer: ${this.placeWords(vertex)}: ${this.words(value)}`;
    }

    valueOf(map, vertex) {
      const step = map.steps[vertex];
      return step === NO_VALUE ? null : step * map.step;
    }

    placeWords(vertex) {
      const one = this.hemisphereOf(vertex), own = vertex - one.start, { points } = one.surfaces.folded;
      const mm = [0, 1, 2].map((axis) => points[own + axis * one.n].toFixed(0)).join(", ");
      return `${SIDES[one.side]} vertex ${one.vertices ? one.vertices[own] : own} at (${mm}) mm`;
    }

    // ---- drawing

    // +1 where the eye goes round to the left as the turn grows
    signOf(one) {
      return one.side === "L" ? -1 : 1;
    }

    // where each hemisphere shown is drawn, and from which side it is seen
    panels() {
      const { width, height } = this.canvas, shown = this.shown, wide = width / shown.length;
      const half = Math.max(...shown.map((one) => this.surfaceOf(one).half));
      const scale = (0.47 * Math.min(wide, height) * this.zoom) / half;
      return shown.map((one, k) => {
        const around = ((one.side === "L" ? 180 + this.turn : -this.turn) * Math.PI) / 180;
        const up = (this.height * Math.PI) / 180, surface = this.surfaceOf(one);
        const [c, s, cu, su] = [Math.cos(around), Math.sin(around), Math.cos(up), Math.sin(up)];
        return {
          one, surface,
          x: (k + 0.5) * wide, y: height / 2, start: Math.floor(k * wide), end: Math.ceil((k + 1) * wide),
          scale, right: [-s, c, 0], upward: [-su * c, -su * s, cu], toEye: [cu * c, cu * s, su],
        };
      });
    }

    // pixel and depth of a vertex of a panel's hemisphere
    project(panel, vertex) {
      const { points, middle } = panel.surface, { n } = panel.one;
      const along = (axes) =>
        axes.reduce((sum, x, axis) => sum + x * (points[vertex + axis * n] - middle[axis]), 0);
      return [
        panel.x + this.offset[0] + panel.scale * along(panel.right),
        panel.y + this.offset[1] - panel.scale * along(panel.upward),
        panel.scale * along(panel.toEye),
      ];
    }

    // what stays where it is when zooming: the vertex marked if it is seen, else the middle
    steady() {
      if (this.isHidden) return [0, 0];
      const one = this.hemisphereOf(this.marked), panel = this.panels().find((each) => each.one === one);
      const [x, y] = this.project(panel, this.marked - one.start);
      return [x - panel.x, y - panel.y];
    }

    // draw again where the view has changed, once a frame
    show() {
      this.isTurned = true;
      if (this.isWaiting) return;
      this.isWaiting = true;
      requestAnimationFrame(() => {
        this.isWaiting = false;
        this.draw();
      });
    }

    choose() {
      this.isTurned = true;
      super.choose();
    }

    draw() {
      const panels = this.panels();
      if (this.isTurned) {
        this.depth.fill(-Infinity);
        this.found.fill(-1);
        for (const panel of panels) this.fill(panel);
        this.isTurned = false;
      }
      this.colour();
      this.context.putImageData(this.picture, 0, 0);
      this.context.font = "14px sans-serif";
      this.context.fillStyle = "#000";
      for (const { one, start } of panels) this.context.fillText(SIDES[one.side], start + 10, 20);
      this.drawMark(panels);
      this.describe(panels);
    }

    // find the vertex at each pixel of a hemisphere
    fill(panel) {
      const { one, surface, start, end } = panel, { faces, n } = one, nFaces = faces.length / 3;
      const { points, normals, middle } = surface, { width, height } = this.canvas;
      const x = new Float32Array(n), y = new Float32Array(n), z = new Float32Array(n), lit = new Float32Array(n);
      const { right: r, upward: u, toEye: e, scale } = panel;
      const left = panel.x + this.offset[0], top = panel.y + this.offset[1];
      for (let v = 0; v < n; v++) {
        const px = points[v] - middle[0], py = points[v + n] - middle[1], pz = points[v + 2 * n] - middle[2];
        x[v] = left + scale * (px * r[0] + py * r[1] + pz * r[2]);
        y[v] = top - scale * (px * u[0] + py * u[1] + pz * u[2]);
        z[v] = scale * (px * e[0] + py * e[1] + pz * e[2]);
        const towards = normals[v] * e[0] + normals[v + n] * e[1] + normals[v + 2 * n] * e[2];
        lit[v] = AMBIENT + (1 - AMBIENT) * Math.max(0, towards);
      }
      for (let t = 0; t < nFaces; t++) {
        const a = faces[t], b = faces[t + nFaces], c = faces[t + 2 * nFaces];
        const xa = x[a], ya = y[a], xb = x[b], yb = y[b], xc = x[c], yc = y[c];
        const area = (xb - xa) * (yc - ya) - (yb - ya) * (xc - xa);
        if (area === 0) continue;
        const low = Math.max(start, Math.ceil(Math.min(xa, xb, xc) - 0.5));
        const high = Math.min(end - 1, Math.floor(Math.max(xa, xb, xc) - 0.5));
        const last = Math.min(height - 1, Math.floor(Math.max(ya, yb, yc) - 0.5));
        for (let row = Math.max(0, Math.ceil(Math.min(ya, yb, yc) - 0.5)); row <= last; row++) {
          const dy = row + 0.5 - ya;
          for (let column = low, at = row * width + low; column <= high; column++, at++) {
            const dx = column + 0.5 - xa;
            const wb = (dx * (yc - ya) - dy * (xc - xa)) / area;
            const wc = ((xb - xa) * dy - (yb - ya) * dx) / area;
            const wa = 1 - wb - wc;
            if (wa < 0 || wb < 0 || wc < 0) continue;
            const depth = wa * z[a] + wb * z[b] + wc * z[c];
            if (depth <= this.depth[at]) continue;
            this.depth[at] = depth;
            this.light[at] = wa * lit[a] + wb * lit[b] + wc * lit[c];
            this.found[at] = one.start + (wa >= wb && wa >= wc ? a : wb >= wc ? b : c);
          }
        }
      }
    }

    // colour each pixel by the value of its vertex, over the grey of the surface
    colour() {
      const { found, light, pixels, colours, map } = this, { data } = this.picture;
      const n = map.steps.length, alpha = new Float32Array(n), place = new Uint16Array(n);
      const grey = new Float32Array(n);
      for (const one of this.hemispheres) {
        for (let v = 0; v < one.n; v++) grey[one.start + v] = one.sulci[v] ? SULCUS : GYRUS;
      }
      for (let v = 0; v < n; v++) {
        const value = this.valueOf(map, v);
        alpha[v] = this.opacity(value);
        place[v] = this.colourAt(value);
      }
      pixels.fill(0xffffffff);
      for (let k = 0, at = 0; k < found.length; k++, at += 4) {
        const v = found[k];
        if (v < 0) continue;
        const behind = (1 - alpha[v]) * grey[v] * light[k];
        for (let c = 0; c < 3; c++) data[at + c] = alpha[v] * colours[place[v] + c] + behind;
      }
    }

    // a ring around the vertex marked, where it can be seen
    drawMark(panels) {
      const one = this.hemisphereOf(this.marked), panel = panels.find((each) => each.one === one);
      this.isHidden = true;
      if (!panel) return;
      const [x, y, z] = this.project(panel, this.marked - one.start);
      if (x < panel.start || x >= panel.end || y < 0 || y >= this.canvas.height) return;
      if (this.depth[this.pixelAt([x, y])] - z > 3 + 2 * this.zoom) return;
      this.isHidden = false;
      for (const [colour, wide] of [["#fff", 4], ["#000", 2]]) {
        this.context.strokeStyle = colour;
        this.context.lineWidth = wide;
        this.context.beginPath();
        this.context.arc(x, y, 7, 0, 2 * Math.PI);
        this.context.stroke();
      }
    }

    // what is shown, in words
    describe(panels) {
      const one = this.hemisphereOf(this.marked), own = this.marked - one.start;
      this.vertex.value = one.vertices ? one.vertices[own] : own;
      const sides = panels.map((panel) => SIDES[panel.one.side]).join(" and ");
      const seen = this.views.value
        ? `${this.views.value} view`
        : `turned ${Math.round(((this.turn % 360) + 360) % 360)}° from the lateral view, ` +
          `seen from ${Math.round(Math.abs(this.height))}° ${this.height < 0 ? "below" : "above"}`;
      this.canvas.setAttribute(
        "aria-label",
        `${sides} hemisphere${panels.length > 1 ? "s" : ""}, ${this.surface.value}, ${seen}. ${this.map.name}`
      );
      const hidden = this.isHidden ? " (not visible from here)" : "";
      this.tell(
        `Marked${hidden}: ${this.placeWords(this.marked)}`,
        this.content.maps.map((map) => this.valueOf(map, this.marked))
      );
    }
  }

  startViewers(".surfaces", SurfaceViewer);
})();
