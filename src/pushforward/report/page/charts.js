"use strict";
// Charts by Vega-Lite: curves of the models chosen, rate and distortion, one number over another.
const OKABE_ITO = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c", "#b8a800"];
const MOST = OKABE_ITO.length;
const style = () => {
  const [ink, soft, line] = [colour("ink"), colour("soft"), colour("line")];
  const axis = { labelColor: soft, titleColor: soft, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: 400, titleFontSize: 12, labelFontSize: 11, gridOpacity: 0.7 };
  return {
    background: "transparent", font: "system-ui, sans-serif", view: { stroke: null }, axis,
    legend: { labelColor: ink, titleColor: soft, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 400 },
    header: { labelColor: ink, titleColor: soft, labelFontWeight: 600, labelFontSize: 12 },
    title: { color: ink, fontSize: 12, fontWeight: 600, anchor: "start" }, text: { color: ink },
  };
};
const failed = (where) => (error) => { where.textContent = `The chart cannot be drawn: ${error.message}`; console.error(error); };
const embed = (where, spec) => {
  const whole = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", config: style(), ...spec };
  return vegaEmbed(where, whole, { ast: true, actions: false, renderer: "svg", logLevel: 1, tooltip: { theme: dark() ? "dark" : "light" } }).catch(failed(where));
};
const room = (where) => Math.max(240, Math.min(where.clientWidth, 1200));

if ($("curve-chart")) {
  const where = $("curve-chart"), chips = $("chosen");
  const rows = [...new Set(DATA.curves.map((curve) => curve.row))];
  let chosen = rows.slice(0, Math.min(6, rows.length));
  const shade = (row) => OKABE_ITO[chosen.indexOf(row)];
  const draw = () => {
    for (const chip of chips.children) {
      const on = chosen.includes(chip.textContent);
      chip.setAttribute("aria-pressed", on);
      chip.style.setProperty("--chip", on ? shade(chip.textContent) : "");
    }
    const values = DATA.curves.filter((curve) => chosen.includes(curve.row)).flatMap((curve) => curve.x.map((x, i) => ({
      model: curve.row, term: curve.unit ? `${curve.term} [${curve.unit}]` : curve.term, split: curve.split === "val" ? "validation" : "training",
      x, y: curve.y[i], low: curve.low ? curve.low[i] : null, high: curve.high ? curve.high[i] : null })));
    const terms = [...new Set(values.map((value) => value.term))];
    const columns = Math.max(1, Math.min(3, terms.length, Math.floor((room(where) + 20) / 310)));
    const width = Math.floor(room(where) / columns) - 75;
    const x = { field: "x", type: "quantitative", title: "images seen", axis: { format: "~s", tickCount: 4 } };
    const hue = { field: "model", type: "nominal", scale: { domain: chosen, range: chosen.map(shade) }, legend: null };
    return embed(where, {
      data: { values }, columns, spacing: 22,
      facet: { field: "term", type: "nominal", title: null, sort: terms },
      resolve: { scale: { y: "independent", x: "independent" }, axis: { x: "independent" } },
      spec: { width, height: 170, encoding: { x, color: hue }, layer: [
        { transform: [{ filter: "isValid(datum.low)" }], mark: { type: "area", opacity: 0.16 },
          encoding: { y: { field: "low", type: "quantitative" }, y2: { field: "high" }, detail: { field: "split" } } },
        { mark: { type: "line", strokeWidth: 1.7, point: false, clip: true },
          encoding: { y: { field: "y", type: "quantitative", title: null, scale: { zero: false } },
            strokeDash: { field: "split", type: "nominal", scale: { domain: ["validation", "training"], range: [[1, 0], [3, 3]] }, legend: null } } },
        { mark: { type: "point", opacity: 0, size: 90 },
          encoding: { y: { field: "y", type: "quantitative" },
            tooltip: [{ field: "model" }, { field: "split" }, { field: "x", type: "quantitative", format: ",", title: "images" }, { field: "y", type: "quantitative", format: ".5g", title: "value" }] } },
      ] },
    });
  };
  const toggle = (row) => {
    chosen = chosen.includes(row) ? chosen.filter((other) => other !== row) : [...chosen, row].slice(-MOST);
    draw();
  };
  chips.append(...rows.map((row) => make("button", { type: "button", text: row, onclick: () => toggle(row) })));
  redraws.push(draw);
}

// One number over another, a point for each row of the table
// where the name of each point stands: beside it, to its left or below; nowhere where another name or point is
const SIDES = { right: { align: "left", dx: 7, dy: -5 }, left: { align: "right", dx: -7, dy: -5 }, below: { align: "left", dx: 7, dy: 12 } };
const named = (values, across, up, width, height) => {
  const place = (key, axis, length) => {
    const f = axis.scale.type === "log" ? Math.log : (v) => v, all = values.map((value) => f(value[key]));
    const low = Math.min(...all), span = Math.max(...all) - low || 1;
    return all.map((v) => ((v - low) / span) * length);
  };
  const [xs, ys] = [place("x", across, width), place("y", up, height).map((y) => height - y)];
  const taken = xs.map((x, i) => [x - 4, ys[i] - 4, x + 4, ys[i] + 4]);
  return values.map((value, i) => {
    const long = 6.4 * value.model.length;
    const side = Object.keys(SIDES).find((name) => {
      const { align, dx, dy } = SIDES[name], from = align === "left" ? xs[i] + dx : xs[i] + dx - long;
      const box = [from, ys[i] + dy - 10, from + long, ys[i] + dy + 2];
      const free = box[0] > -8 && box[2] < width + 8 && !taken.some((t, k) => k !== i && t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3]);
      if (free) taken.push(box);
      return free;
    });
    return { ...value, side: side || "" };
  });
};
const scatter = (where, x, y, more = {}) => {
  const points = DATA.points.filter((point) => x in point && y in point && (!$("trade-data") || point.data === $("trade-data").value));
  const values = points.map((point) => ({ model: point.row, likelihood: point.likelihood || "its own bound", x: point[x], y: point[y],
    x1: point[x] - (point[`${x} ±`] || 0), x2: point[x] + (point[`${x} ±`] || 0), y1: point[y] - (point[`${y} ±`] || 0), y2: point[y] + (point[`${y} ±`] || 0) }));
  const axis = (name) => {
    const { unit = "", better = null } = DATA.axes[name] || {}, all = points.map((point) => point[name]);
    const log = Math.min(...all) > 0 && Math.max(...all) / Math.min(...all) > 30;
    const arrow = better === "lower" ? " ↓" : better === "higher" ? " ↑" : "";
    return { type: "quantitative", title: `${name}${unit ? ` [${unit}]` : ""}${arrow}`, scale: log ? { type: "log" } : { type: "linear", zero: false }, axis: { tickCount: 6, format: "~s" } };
  };
  const [across, up] = [axis(x), axis(y)], width = room(where) - 80, few = values.length <= 40;
  const kinds = [...new Set(values.map((value) => value.likelihood))];
  const hue = more.by && kinds.length > 1
    ? { field: "likelihood", type: "nominal", scale: { domain: kinds, range: OKABE_ITO }, legend: { orient: "top", title: null, columns: Math.max(1, Math.floor(width / 240)), labelLimit: 230 } }
    : { value: colour("accent") };
  const dots = { x: { field: "x", ...across }, y: { field: "y", ...up } };
  const bars = [["x1", "x2", "x"], ["y1", "y2", "y"]].map(([low, high, along]) => ({
    transform: [{ filter: `datum.${low} < datum.${high}` + (along === "x" ? "" : "") }], mark: { type: "rule", opacity: 0.45 },
    encoding: along === "x" ? { x: { field: low, ...across }, x2: { field: high }, y: dots.y, color: hue } : { x: dots.x, y: { field: low, ...up }, y2: { field: high }, color: hue } }));
  const height = Math.min(440, Math.max(280, width * 0.55));
  return embed(where, { width, height, data: { values: few ? named(values, across, up, width, height) : values }, layer: [
    ...(more.layers ? more.layers(points, across, up) : []), ...bars,
    { mark: { type: "point", filled: true, size: 60, opacity: 0.9 }, encoding: { ...dots, color: hue,
      tooltip: [{ field: "model" }, { field: "x", type: "quantitative", format: ".5g", title: x }, { field: "y", type: "quantitative", format: ".5g", title: y }, ...(more.by ? [{ field: "likelihood" }] : [])] } },
    ...(few ? Object.entries(SIDES).map(([side, at]) => ({ transform: [{ filter: `datum.side === '${side}'` }],
      mark: { type: "text", ...at, fontSize: 11, opacity: 0.85 }, encoding: { ...dots, text: { field: "model" } } })) : []),
  ] });
};
if ($("frontier-chart")) {
  const sums = (points, across, up) => {
    const ends = (key) => [Math.min(...points.map((point) => point[key])), Math.max(...points.map((point) => point[key]))];
    const [[r0, r1], [d0, d1]] = [ends("rate"), ends("distortion")], lines = [];
    if (across.scale.type === "log" || up.scale.type === "log") return [];
    for (let i = 1; i < 8; i += 1) {
      const sum = r0 + d0 + (i / 8) * (r1 + d1 - r0 - d0);
      const from = Math.max(r0, sum - d1), to = Math.min(r1, sum - d0);
      if (to > from) lines.push({ x: from, y: sum - from, i }, { x: to, y: sum - to, i });
    }
    return [{ data: { values: lines }, mark: { type: "line", strokeDash: [1, 4], color: colour("soft"), strokeWidth: 1 }, encoding: { x: { field: "x", ...across }, y: { field: "y", ...up }, detail: { field: "i" } } }];
  };
  const draw = () => scatter($("frontier-chart"), "rate", "distortion", { by: true, layers: sums });
  if ($("trade-data")) $("trade-data").addEventListener("change", draw);
  redraws.push(draw);
}
if ($("cost-chart")) {
  const [x, y] = [$("axis-x"), $("axis-y")], names = Object.keys(DATA.axes);
  for (const select of [x, y]) select.append(...names.map((name) => make("option", { text: name })));
  x.value = DATA.cost || names[0];
  y.value = DATA.quality || names[names.length - 1];
  const draw = () => scatter($("cost-chart"), x.value, y.value);
  x.addEventListener("change", draw);
  y.addEventListener("change", draw);
  if ($("trade-data")) $("trade-data").addEventListener("change", draw);
  redraws.push(draw);
}
for (const draw of redraws) draw();
let waiting = 0, before = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === before) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => { before = innerWidth; redraws.forEach((draw) => draw()); }, 200);
});
