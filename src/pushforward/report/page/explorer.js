"use strict";
// The explorer: a map of each latent space whose decoded image follows the pointer, ways between images, units, and steps.
const CLASSES = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#8c8c8c", "#7b4fa3", "#7a5230"];
const sheets = new Map();
const sheet = (sprite) => {
  if (!sheets.has(sprite.uri)) {
    const image = new Image();
    image.src = sprite.uri;
    sheets.set(sprite.uri, image.decode().then(() => image));
  }
  return sheets.get(sprite.uri);
};
const tile = async (canvas, sprite, index) => {
  const image = await sheet(sprite);
  if (canvas.width !== sprite.width || canvas.height !== sprite.height) [canvas.width, canvas.height] = [sprite.width, sprite.height];
  const left = (index % sprite.columns) * (sprite.width + sprite.gutter), top = Math.floor(index / sprite.columns) * (sprite.height + sprite.gutter);
  canvas.getContext("2d").drawImage(image, left, top, sprite.width, sprite.height, 0, 0, sprite.width, sprite.height);
  canvas.dataset.tile = index;
};
const grid = (packed, scale) => packed && { width: packed.width, height: packed.height, values: Array.from(atob(packed.bytes), (c) => c.charCodeAt(0) * scale) };
// Segments of a contour by marching squares, in shares of the grid's width and height from its lower left corner
const contour = ({ width, height, values }, level) => {
  const segments = [];
  for (let j = 0; j + 1 < height; j += 1) for (let i = 0; i + 1 < width; i += 1) {
    const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], cuts = [];
    for (let k = 0; k < 4; k += 1) {
      const [a, b] = [corners[k], corners[(k + 1) % 4]], u = values[a[1] * width + a[0]], v = values[b[1] * width + b[0]];
      if ((u > level) !== (v > level)) { const t = (level - u) / (v - u); cuts.push([(a[0] + t * (b[0] - a[0])) / (width - 1), (a[1] + t * (b[1] - a[1])) / (height - 1)]); }
    }
    for (let k = 0; k + 1 < cuts.length; k += 2) segments.push([cuts[k], cuts[k + 1]]);
  }
  return segments;
};
const clamp = (value) => Math.min(1, Math.max(0, value));
const round = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));

const SPACES = DATA.spaces, panels = [];
const layers = { decoded: true, codes: true, prior: true, off: true };

class Panel {
  constructor(start) {
    this.select = make("select", { "aria-label": "model", onchange: () => this.choose(this.select.selectedIndex) }, ...SPACES.map((space) => make("option", { text: space.label })));
    this.map = make("canvas", { class: "map", tabindex: "0", role: "application", "aria-roledescription": "map of codes" });
    this.image = make("canvas", { class: "decoded", role: "img" });
    this.facts = make("dl", {});
    this.live = make("p", { class: "hidden", "aria-live": "polite" });
    this.legend = make("p", { class: "legend" });
    this.about = make("p", { class: "hint" });
    this.node = make("div", { class: "panel" }, make("div", { class: "bar" }, this.select), this.about,
      make("div", { class: "map-row" }, make("div", {}, this.map, this.legend), make("div", { class: "seen" }, this.image, this.facts)), this.live);
    const follow = (event) => { const box = this.map.getBoundingClientRect(); this.move(clamp((event.clientX - box.left) / box.width), clamp(1 - (event.clientY - box.top) / box.height)); };
    this.map.addEventListener("pointermove", follow);
    this.map.addEventListener("pointerdown", follow);
    this.map.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const step = (event.shiftKey ? 4 : 1) / (this.space.plane.side - 1);
      this.move(clamp(this.at[0] + way[0] * step), clamp(this.at[1] + way[1] * step), true);
    });
    this.choose(start);
  }

  choose(index) {
    this.select.selectedIndex = index;
    this.space = SPACES[index];
    const { plane } = this.space;
    this.prior = grid(plane.prior, -0.1);
    this.off = grid(plane.off, 0.05);
    this.lines = { prior: this.prior ? [-0.5, -2, -4.5].map((level) => contour(this.prior, level)) : [], off: this.off ? contour(this.off, 1) : [] };
    const [left, right, bottom, top] = plane.extent;
    this.dots = plane.codes.map(([x, y]) => [(x - left) / (right - left), (y - bottom) / (top - bottom)]);
    this.at = [0.5, 0.5];
    this.about.textContent = plane.dimensions === 2 ? "all of a code of 2 units" : `a code of ${plane.dimensions} units: the plane of its two widest directions has ${Math.round(100 * plane.share)} % of its variance`;
    this.map.setAttribute("aria-label", `Map of the codes of ${this.space.label}. Arrow keys move; the decoded image and its place are told.`);
    this.base();
    this.move(...this.at);
    drawPaths();
  }

  async base() {
    const image = await sheet(this.space.plane.sprite), size = Math.max(320, Math.round(this.map.clientWidth * Math.min(2, devicePixelRatio || 1)) || 480);
    const under = make("canvas", { width: size, height: size }), pen = under.getContext("2d"), { plane } = this.space;
    pen.fillStyle = colour("panel");
    pen.fillRect(0, 0, size, size);
    if (layers.decoded) {
      const cell = size / plane.side, { width, height } = plane.sprite;
      pen.globalAlpha = 0.5;
      if (plane.grey && !dark()) pen.filter = "invert(1)"; // ink on paper
      for (let j = 0; j < plane.side; j += 1) for (let i = 0; i < plane.side; i += 1) pen.drawImage(image, i * width, j * height, width, height, i * cell, size - (j + 1) * cell, cell, cell);
      pen.globalAlpha = 1;
      pen.filter = "none";
    }
    if (layers.off && this.off) {
      const { width, height, values } = this.off, [w, h] = [size / width, size / height];
      for (let j = 0; j < height; j += 1) for (let i = 0; i < width; i += 1) {
        const ratio = values[j * width + i];
        if (ratio <= 1) continue;
        pen.fillStyle = `rgba(213, 94, 0, ${Math.min(0.6, 0.15 + 0.22 * Math.log2(ratio))})`;
        pen.fillRect(Math.floor(i * w), Math.floor(size - (j + 1) * h), Math.ceil(w), Math.ceil(h));
      }
      this.stroke(pen, this.lines.off, "#d55e00", size, 1.5);
    }
    if (layers.codes) this.dots.forEach(([x, y], i) => {
      pen.beginPath();
      pen.arc(x * size, (1 - y) * size, size / 190, 0, 2 * Math.PI);
      pen.fillStyle = plane.labels.length ? CLASSES[plane.labels[i] % CLASSES.length] : "#0072b2";
      pen.strokeStyle = colour("paper");
      pen.lineWidth = size / 900;
      pen.fill();
      pen.stroke();
    });
    if (layers.prior) for (const lines of this.lines.prior) this.stroke(pen, lines, dark() ? "#56b4e9" : "#0072b2", size, 1.6);
    this.under = under;
    this.paint();
    this.explain();
  }

  stroke(pen, segments, hue, size, width) {
    pen.strokeStyle = hue;
    pen.lineWidth = (width * size) / 480;
    pen.beginPath();
    for (const [[a, b], [c, d]] of segments) { pen.moveTo(a * size, (1 - b) * size); pen.lineTo(c * size, (1 - d) * size); }
    pen.stroke();
  }

  explain() {
    const { plane } = this.space, entry = (style, text, kind = "") => { const mark = make("i", { class: kind }); mark.style.background = style; mark.style.color = style; return make("span", {}, mark, text); };
    const classes = layers.codes ? [...new Set(plane.labels)].sort((a, b) => a - b).slice(0, 12) : [];
    this.legend.replaceChildren(...classes.map((label) => entry(CLASSES[label % CLASSES.length], String(label))),
      ...(layers.prior && this.prior ? [entry(dark() ? "#56b4e9" : "#0072b2", "prior at 1, 2, 3 σ", "ring")] : []),
      ...(layers.off && this.off ? [entry("#d55e00", "off the data manifold", "square")] : []));
  }

  paint() {
    if (!this.under) return;
    const { map, under } = this, size = under.width, pen = map.getContext("2d");
    if (map.width !== size) [map.width, map.height] = [size, size];
    pen.drawImage(under, 0, 0);
    const ring = ([x, y], radius, hue) => { pen.beginPath(); pen.arc(x * size, (1 - y) * size, radius, 0, 2 * Math.PI); pen.lineWidth = size / 240; pen.strokeStyle = hue; pen.stroke(); };
    if (this.near !== undefined && layers.codes && this.dots[this.near]) ring(this.dots[this.near], size / 70, colour("ink"));
    const [x, y] = [this.at[0] * size, (1 - this.at[1]) * size], arm = size / 40;
    for (const [hue, width] of [[colour("paper"), size / 120], [colour("ink"), size / 300]]) {
      pen.strokeStyle = hue;
      pen.lineWidth = width;
      pen.beginPath();
      pen.moveTo(x - arm, y); pen.lineTo(x + arm, y); pen.moveTo(x, y - arm); pen.lineTo(x, y + arm);
      pen.stroke();
    }
  }

  move(x, y, say = false) {
    this.at = [x, y];
    const { plane, label } = this.space, { side, extent } = plane;
    const [i, j] = [Math.round(x * (side - 1)), Math.round(y * (side - 1))];
    tile(this.image, plane.sprite, j * side + i);
    const place = [extent[0] + x * (extent[1] - extent[0]), extent[2] + y * (extent[3] - extent[2])];
    const at = (packed) => packed.values[Math.round(y * (packed.height - 1)) * packed.width + Math.round(x * (packed.width - 1))];
    const facts = [[plane.dimensions === 2 ? "z₁, z₂" : "place", place.map(round).join(", ")]];
    let near = 0, least = Infinity;
    this.dots.forEach((dot, k) => { const away = Math.hypot(dot[0] - x, dot[1] - y); if (away < least) [near, least] = [k, away]; });
    if (plane.labels.length) facts.push(["nearest", `a ${plane.labels[near]}`]);
    if (this.prior) facts.push(["log prior", `${at(this.prior) <= -12.7 ? "< −12" : round(at(this.prior))}`]);
    if (this.off) facts.push(["from data", `${round(at(this.off))} radii${at(this.off) > 1 ? ", off" : ""}`]);
    this.facts.replaceChildren(...facts.flatMap(([name, text]) => [make("dt", { text: name }), make("dd", { text })]));
    this.image.setAttribute("aria-label", `what ${label} decodes ${place.map(round).join(", ")} to`);
    if (say) this.live.textContent = facts.map((fact) => fact.join(" ")).join("; ");
    // the same image in the other space
    for (const panel of panels) { panel.near = near; panel.paint(); }
    this.near = near;
    this.paint();
  }
}

// Ways between two images that a person chooses, one for each space that is shown
const ends = [0, 1];
function drawPaths() {
  if (!panels.length) return;
  const shown = panels.map((panel) => panel.space).filter((space, i, all) => all.indexOf(space) === i), withPaths = shown.filter((space) => space.between);
  $("paths").hidden = withPaths.length === 0;
  if (withPaths.length) {
    const { sprite, steps, n } = withPaths[0].between, pairs = (n * (n - 1)) / 2;
    const thumbs = make("div", { class: "thumbs", role: "group", "aria-label": "images to go between" });
    const slider = make("input", { type: "range", min: 0, max: steps - 1, value: Math.floor(steps / 2), "aria-label": "place on the way", id: "way" });
    const lanes = withPaths.map((space) => {
      const canvas = make("canvas", { class: "tile", role: "img" });
      return { space, canvas, node: make("div", { class: "lane" }, make("span", { text: space.label }), canvas) };
    });
    const draw = () => {
      const [a, b] = [Math.min(...ends), Math.max(...ends)], turned = ends[0] > ends[1];
      const step = turned ? steps - 1 - Number(slider.value) : Number(slider.value);
      slider.setAttribute("aria-valuetext", `step ${Number(slider.value) + 1} of ${steps}`);
      for (const { space, canvas } of lanes) {
        const own = space.between, pair = (b * (b - 1)) / 2 + a;
        if (b >= own.n) continue;
        tile(canvas, own.sprite, pair * own.steps + step);
        canvas.setAttribute("aria-label", `${space.label} between image ${ends[0] + 1} and ${ends[1] + 1}, step ${Number(slider.value) + 1}`);
      }
      [...thumbs.children].forEach((button, i) => { button.dataset.end = i === ends[0] ? "a" : i === ends[1] ? "b" : ""; button.setAttribute("aria-pressed", ends.includes(i)); });
    };
    let next = 0;
    for (let i = 0; i < n; i += 1) {
      const canvas = make("canvas", {});
      tile(canvas, sprite, pairs * steps + i);
      thumbs.append(make("button", { type: "button", "aria-label": `image ${i + 1}`, onclick: () => { if (ends.includes(i)) return; ends[next] = i; next = 1 - next; draw(); } }, canvas));
    }
    slider.addEventListener("input", draw);
    $("between").replaceChildren(thumbs, make("div", { class: "lane" }, make("label", { for: "way", text: "from the first to the second" }), slider), ...lanes.map((lane) => lane.node));
    draw();
  }
  const withUnits = shown.filter((space) => space.units);
  $("units").hidden = withUnits.length === 0;
  $("traversals").replaceChildren(...withUnits.flatMap((space) => [make("h4", { text: space.label }), make("div", { class: "sliders" }, ...Array.from({ length: space.units.n }, (_, unit) => {
    const { sprite, steps } = space.units, canvas = make("canvas", { class: "tile", role: "img" });
    const slider = make("input", { type: "range", min: 0, max: steps - 1, value: Math.floor(steps / 2), "aria-label": `unit ${unit + 1} of ${space.label}` });
    const draw = () => {
      const sigma = (4 * Number(slider.value)) / (steps - 1) - 2;
      tile(canvas, sprite, unit * steps + Number(slider.value));
      slider.setAttribute("aria-valuetext", `${sigma.toFixed(1)} standard deviations`);
      canvas.setAttribute("aria-label", `${space.label}, unit ${unit + 1} at ${sigma.toFixed(1)} standard deviations`);
    };
    slider.addEventListener("input", draw);
    draw();
    return make("div", { class: "slider" }, canvas, slider);
  }))]));
}

if ($("spaces")) {
  const find = (pattern, other) => { const i = SPACES.findIndex((space, k) => k !== other && pattern.test(space.label)); return i < 0 ? null : i; };
  const first = find(/(^|\s)ae(\s|\W|$)/, -1) ?? 0, second = find(/(^|\s)vae(\s|\W|$)/, first) ?? (first + 1) % SPACES.length;
  const area = make("div", { class: "space" });
  for (const index of SPACES.length > 1 ? [first, second] : [0]) { const panel = new Panel(index); panels.push(panel); area.append(panel.node); }
  const names = { decoded: "decoded images", codes: "codes of data", prior: "prior", off: "off the data manifold" };
  const there = { decoded: true, codes: true, prior: SPACES.some((space) => space.plane.prior), off: SPACES.some((space) => space.plane.off) };
  const choices = Object.keys(names).filter((key) => there[key]).map((key) => make("label", {}, make("input", { type: "checkbox", checked: "", id: `layer-${key}`, onchange: (event) => { layers[key] = event.target.checked; panels.forEach((panel) => panel.base()); } }), ` ${names[key]}`));
  $("spaces").append(make("div", { class: "bar", role: "group", "aria-label": "what maps show" }, ...choices), area);
  const again = () => panels.forEach((panel) => panel.base());
  redraws.push(again);
  again();
  drawPaths();
}

// Steps: of samples on their way from noise, and of samples while training
for (const [where, sliders] of Object.entries(DATA.sliders)) {
  if (!$(where)) continue;
  $(where).append(...sliders.map(({ label, steps }, k) => {
    const canvas = make("canvas", { role: "img" }), told = make("small", {});
    const slider = make("input", { type: "range", min: 0, max: steps.length - 1, value: steps.length - 1, id: `${where}-${k}` });
    const draw = async () => {
      const step = steps[Number(slider.value)], image = await sheet(step);
      [canvas.width, canvas.height] = step.size;
      canvas.getContext("2d").drawImage(image, 0, 0);
      canvas.dataset.tile = slider.value;
      told.textContent = ` ${step.at}`;
      slider.setAttribute("aria-valuetext", step.at);
      canvas.setAttribute("aria-label", `samples of ${label}, ${step.at}`);
    };
    slider.addEventListener("input", draw);
    draw();
    return make("div", { class: "lane" }, make("div", {}, make("label", { for: slider.id, text: label }), told, slider), make("div", { class: "scroll" }, canvas));
  }));
}
