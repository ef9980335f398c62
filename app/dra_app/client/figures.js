// Figures: what the pointer and the keyboard find in them, their numbers, saving them.
// A figure tells its page what was chosen: `dra-point` (a point of a curve), `dra-span` (a stretch of steps), `dra-cell`.
const tipBox = document.getElementById("dra-tip");
const tell = (from, name, detail) => from.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));

export function hideTip() {
  tipBox.hidden = true;
}
function tip(event, text) {
  tipBox.hidden = !text;
  if (!text) return;
  tipBox.textContent = text;
  tipBox.style.left = `${Math.min(event.clientX + 14, innerWidth - tipBox.offsetWidth - 8)}px`;
  tipBox.style.top = `${Math.min(event.clientY + 16, innerHeight - tipBox.offsetHeight - 8)}px`;
}
addEventListener("scroll", hideTip, { capture: true, passive: true });

// ---- the pointer: one completion is lit in every figure; a map tells its cells, a curve its points ----
const inside = (svg, event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
function cellAt(event) {
  const svg = event.target.closest?.("svg[data-heat]");
  if (!svg) return null;
  const { left, top, cell, order, values } = shapeOf(svg);
  const at = inside(svg, event);
  const [x, y] = [Math.floor((at.x - left) / cell), Math.floor((at.y - top) / cell)];
  if (x < 0 || y < 0 || x >= order.length || y >= order.length) return { svg };
  const [i, j] = [order[y], order[x]];
  return { svg, i, j, value: values[i + 1]?.[j + 1], box: { x: left + x * cell, y: top + y * cell, width: cell, height: cell } };
}
const shapes = new WeakMap();
function shapeOf(svg) {
  if (!shapes.has(svg)) shapes.set(svg, { ...JSON.parse(svg.dataset.curves ?? svg.dataset.heat), values: readCsv(svg.closest("figure").dataset.csv ?? "") });
  return shapes.get(svg);
}
function stepAt(svg, event) {
  const shape = shapeOf(svg);
  const [low, high, start, end] = shape.x;
  const share = Math.min(1, Math.max(0, (inside(svg, event).x - start) / (end - start)));
  return shape.log ? low * (high / low) ** share : low + share * (high - low);
}
function nearest(steps, step) {
  return steps.reduce((best, each, i) => (Math.abs(each - step) < Math.abs(steps[best] - step) ? i : best), 0);
}
const placeOf = ({ x: [low, high, start, end], log }, step) => {
  const f = log ? Math.log : (value) => value;
  return high === low ? (start + end) / 2 : start + ((f(step) - f(low)) / (f(high) - f(low))) * (end - start);
};
function pointsAt(svg, event) {
  const shape = shapeOf(svg);
  const step = stepAt(svg, event);
  const found = shape.lines.map((line) => ({ line, i: nearest(line.x, step) })).map(({ line, i }) => ({ ...line, x: line.x[i], y: line.y[i], i }));
  const at = found.reduce((best, one) => (Math.abs(one.x - step) < Math.abs(best.x - step) ? one : best));
  return { shape, at, found: found.filter((one) => one.x === at.x) };
}
const written = (value, isShare) => (value === null ? "–" : isShare ? `${(100 * value).toFixed(1)} %` : value.toLocaleString("en", { maximumSignificantDigits: 4 }));
function light(root, i) {
  root.querySelectorAll(".lit").forEach((node) => node.classList.remove("lit"));
  if (i !== undefined) root.querySelectorAll(`[data-i="${i}"]`).forEach((node) => node.classList.add("lit"));
}
let span = null; // a stretch of steps that is being drawn with the pointer
document.addEventListener("pointermove", (event) => {
  const curves = event.target.closest?.("svg[data-curves]");
  if (curves) return overCurves(curves, event);
  const main = event.target.closest?.("main");
  const cell = cellAt(event);
  if (main) light(main, cell ? undefined : event.target.closest("[data-i]")?.dataset.i);
  document.querySelectorAll(".cursor-cell[width]:not([width='0'])").forEach((cursor) => cursor.setAttribute("width", 0));
  if (!cell || cell.i === undefined) return tip(event, "");
  const cursor = cell.svg.querySelector(".cursor-cell");
  Object.entries(cell.box).forEach(([name, value]) => cursor.setAttribute(name, value));
  return tip(event, cell.i === cell.j ? `completion ${cell.i}` : `completions ${cell.i} and ${cell.j}: ${cell.value ? Number(cell.value).toFixed(3) : "not measured"}`);
});
function overCurves(svg, event) {
  const { shape, at, found } = pointsAt(svg, event);
  const cursor = svg.querySelector(".cursor");
  const place = placeOf(shape, at.x);
  cursor.setAttribute("x1", span?.svg === svg ? placeOf(shape, span.from) : place);
  cursor.setAttribute("x2", place);
  cursor.setAttribute("visibility", "visible");
  tip(event, [`${shape.title} ${at.x.toLocaleString("en")}`, ...found.map((one) => `${one.name}: ${written(one.y, shape.percent)}`)].join("\n"));
}
document.addEventListener("pointerout", (event) => {
  const svg = event.target.closest?.("svg[data-curves]");
  if (!svg || svg.contains(event.relatedTarget)) return;
  svg.querySelector(".cursor").setAttribute("visibility", "hidden");
  hideTip();
});
document.addEventListener("pointerdown", (event) => {
  const svg = event.target.closest("svg[data-curves]");
  span = svg && event.button === 0 ? { svg, from: stepAt(svg, event), at: event.clientX } : null;
});
document.addEventListener("pointerup", (event) => {
  const drawn = span;
  span = null;
  if (!drawn || Math.abs(event.clientX - drawn.at) < 8) return;
  const [low, high] = [drawn.from, stepAt(drawn.svg, event)].sort((a, b) => a - b);
  drawn.svg.wasDrawn = true;
  tell(drawn.svg, "dra-span", { low: Math.ceil(low), high: Math.floor(high) });
});
document.addEventListener("dblclick", (event) => {
  const svg = event.target.closest("svg[data-curves]");
  if (svg) tell(svg, "dra-span", { low: "", high: "" });
});
document.addEventListener("click", (event) => {
  const save = event.target.closest("[data-save]");
  if (save) return saved(save);
  const svg = event.target.closest("svg[data-curves]");
  if (svg) {
    if (svg.wasDrawn) svg.wasDrawn = false;
    else {
      const { at } = pointsAt(svg, event);
      tell(svg, "dra-point", { step: at.x, place: at.i, of: at.of, figure: svg.closest("[data-figure]")?.dataset.figure });
    }
  }
  const cell = cellAt(event);
  if (cell && cell.i !== undefined && cell.i !== cell.j) tell(cell.svg, "dra-cell", { i: cell.i, j: cell.j, since: event.timeStamp });
  return undefined;
});

// ---- the numbers of a figure, and saving it ----
async function csvOf(figure) {
  if (figure.dataset.csv !== undefined) return figure.dataset.csv;
  return new Promise((answered) => tell(figure, "dra-csv", { figure: figure.dataset.figure, answered }));
}
async function saved(button) {
  const figure = button.closest("figure");
  const { name } = figure.dataset;
  const kind = button.dataset.save;
  if (kind === "table" || kind === "csv") {
    const csv = await csvOf(figure);
    if (csv === null) return undefined;
    if (kind === "table") return showTable(figure, csv);
    return download(new Blob([csv], { type: "text/csv" }), `${name}.csv`);
  }
  const { text, width, height } = standalone(figure);
  const svg = new Blob([text], { type: "image/svg+xml" });
  if (kind === "svg") return download(svg, `${name}.svg`);
  const image = new Image();
  image.src = URL.createObjectURL(svg);
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: width * 3, height: height * 3 });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => download(blob, `${name}.png`), "image/png");
  return URL.revokeObjectURL(image.src);
}
export function readCsv(text) {
  const rows = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/g)) {
    rows[rows.length - 1].push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === "\n") rows.push([]);
    if (end === "") break;
  }
  return rows.filter((row) => row.length > 1 || row[0]);
}
const MOST_ROWS = 1000;
function showTable(figure, csv) {
  const dialog = document.getElementById("dra-table");
  const [head, ...rows] = readCsv(csv);
  const cells = (kind, values) => values.map((value) => Object.assign(document.createElement(kind), { textContent: value }));
  const row = (kind, values) => {
    const made = document.createElement("tr");
    made.append(...cells(kind, values));
    return made;
  };
  const table = document.createElement("table");
  table.createTHead().append(row("th", head));
  table.createTBody().append(...rows.slice(0, MOST_ROWS).map((values) => row("td", values)));
  table.createCaption().textContent = figure.querySelector("figcaption b").textContent + (rows.length > MOST_ROWS ? `, the first ${MOST_ROWS} of ${rows.length} rows; CSV has all` : "");
  const close = Object.assign(document.createElement("button"), { type: "button", className: "dra-quiet", textContent: "close" });
  close.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(close, table);
  dialog.showModal();
}
const INLINED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "opacity", "font-size", "font-family", "font-weight", "visibility"];
function standalone(figure) {
  const svg = figure.querySelector(":scope > svg");
  const copy = svg.cloneNode(true);
  const marks = [...svg.querySelectorAll("*")];
  [...copy.querySelectorAll("*")].forEach((node, i) => {
    const style = getComputedStyle(marks[i]);
    node.setAttribute("style", INLINED.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
  });
  const { width, height } = svg.viewBox.baseVal;
  const page = getComputedStyle(document.body);
  const make = (name, attributes, style, text = "") => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach((pair) => node.setAttribute(...pair));
    node.setAttribute("style", style);
    node.textContent = text;
    return node;
  };
  const said = (x, y, text, size) => make("text", { x, y }, `fill:${page.color};font:${size}px sans-serif`, text);
  copy.append(said(4, -24, figure.querySelector("figcaption b").textContent, 13));
  let x = 4;
  for (const item of figure.querySelectorAll(".dra-legend > span")) {
    const key = item.querySelector(".dra-key, path");
    if (!key) continue;
    const style = getComputedStyle(key);
    const colour = key.matches("path") ? style.stroke : style.backgroundColor;
    copy.append(make("rect", { x, y: -16, width: 9, height: 9 }, `fill:${colour}`), said(x + 12, -8, item.textContent, 10));
    x += 24 + item.textContent.length * 5.6;
  }
  copy.prepend(make("rect", { x: 0, y: -42, width, height: height + 42 }, `fill:${page.backgroundColor}`));
  for (const [name, value] of Object.entries({ viewBox: `0 -42 ${width} ${height + 42}`, width, height: height + 42, xmlns: "http://www.w3.org/2000/svg" })) {
    copy.setAttribute(name, value);
  }
  copy.removeAttribute("data-curves");
  return { text: new XMLSerializer().serializeToString(copy), width, height: height + 42 };
}
function download(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
