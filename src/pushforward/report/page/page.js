"use strict";
// The page's own parts: theme, table, cards, differences of configurations, and what the other scripts share.
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") element.textContent = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
};
const redraws = [];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const dark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

const theme = $("theme");
const themed = () => { theme.textContent = dark() ? "light" : "dark"; theme.setAttribute("aria-label", `switch to ${theme.textContent} colours`); };
const repaint = () => { themed(); redraws.forEach((draw) => draw()); };
theme.addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; repaint(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
themed();

// The table
const compared = $("compared"), body = compared.tBodies[0], filter = $("filter");
const sifted = () => {
  const words = filter.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
  const rows = [...body.rows];
  for (const row of rows) {
    const titles = [...row.querySelectorAll("th")].map((th) => th.textContent.toLowerCase()).join(" ");
    row.hidden = words.length > 0 && !words.some((word) => titles.includes(word));
  }
  const shown = rows.filter((row) => !row.hidden).length;
  $("count").textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
};
filter.addEventListener("input", sifted);
sifted();
const original = [...body.rows];
for (const button of compared.tHead.querySelectorAll("button")) {
  button.addEventListener("click", () => {
    const th = button.parentElement, column = Number(button.dataset.column);
    const first = button.dataset.better === "higher" ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const next = { none: first, [first]: second, [second]: "none" }[th.getAttribute("aria-sort")];
    for (const other of compared.tHead.querySelectorAll("[aria-sort]")) other.setAttribute("aria-sort", "none");
    th.setAttribute("aria-sort", next);
    const sign = next === "descending" ? -1 : 1;
    const value = (row) => { const cell = row.cells[column]; return cell.dataset.sort === undefined ? (cell.tagName === "TH" ? cell.textContent : null) : Number(cell.dataset.sort); };
    const order = (a, b) => {
      const x = value(a), y = value(b);
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
    };
    body.append(...(next === "none" ? original : [...body.rows].sort(order)));
  });
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-card]");
  if (!button) return;
  const card = $("card");
  card.querySelector("pre").textContent = DATA.cards[Number(button.dataset.card)].map((line) => DATA.lines[line]).join("\n");
  if (!card.matches(":popover-open")) card.showPopover();
});

// What differs between two runs
if ($("configs")) {
  const { ids, keys, values } = DATA.configs, [a, b] = [$("run-a"), $("run-b")];
  for (const select of [a, b]) select.append(...ids.map((id, i) => make("option", { value: i, text: id })));
  b.selectedIndex = 1;
  const compare = () => {
    const [i, j] = [a.selectedIndex, b.selectedIndex];
    const rows = keys.map((key, k) => [key, values[i][k] ?? "–", values[j][k] ?? "–"]).filter(([, x, y]) => x !== y);
    const table = $("differences");
    [...table.tHead.rows[0].cells].forEach((cell, k) => { cell.textContent = ["key", ids[i], ids[j]][k]; });
    table.tBodies[0].replaceChildren(...rows.map((row) => make("tr", {}, ...row.map((text) => make("td", { text })))));
    table.hidden = rows.length === 0;
    $("same").hidden = rows.length > 0;
  };
  a.addEventListener("change", compare);
  b.addEventListener("change", compare);
  compare();
}
