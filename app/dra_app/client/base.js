// What the pages share: asking the server, the address, parts of the page, formulas, saving figures, the pointer.
// `element`, `server`, `props` and `trigger` are given by gr.HTML.
const root = element.querySelector(".dra") || element;
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const all = (selector, within = root) => [...within.querySelectorAll(selector)];
const isShown = () => root.offsetParent !== null;

// ---- the address ----
const address = () => Object.fromEntries(new URLSearchParams(location.search));
const PLACES = ["step", "batch", "group", "prompt", "between", "pair"];
let clicked = -Infinity; // a place that was gone to by a click is one that "back" comes back from; keys and sliders pass through
root.addEventListener("click", () => {
  clicked = performance.now();
}, true);
function writeAddress(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") query.delete(name);
    else query.set(name, value);
  }
  const written = query.toString().replaceAll("%2C", ",");
  if (written === location.search.slice(1)) return;
  const old = address();
  const isGoneTo = PLACES.some((name) => name in changes && String(changes[name] ?? "") !== (old[name] ?? ""));
  const isDeliberate = isGoneTo && performance.now() - clicked < 2000;
  if (isDeliberate) clicked = -Infinity;
  history[isDeliberate ? "pushState" : "replaceState"](history.state, "", `?${written}${location.hash}`);
}

// ---- asking: one request at a time, of those that wait only the newest ----
const LOADING = "Loading …"; // stands in a page until its first answer
let running = false;
let waiting = null;
let drawn = 0;
function ask(name, params, draw, since = performance.now()) {
  waiting = { name, params, draw, since };
  if (!running) work();
}
async function work() {
  running = true;
  root.setAttribute("aria-busy", "true");
  while (waiting) {
    const { name, params, draw, since } = waiting;
    waiting = null;
    const answer = await call(name, params);
    if (answer && (answer.parts || !answer.error)) draw(answer, waiting === null);
    else all(".dra-empty").filter((note) => note.textContent === LOADING).forEach((note) => note.remove());
    await painted();
    root.dataset.milliseconds = (performance.now() - since).toFixed(1);
    root.dataset.drawn = String(++drawn);
  }
  root.removeAttribute("aria-busy");
  running = false;
}
async function call(name, params, isFollowing = false) {
  const asked = performance.now();
  try {
    const answer = await server[name](params);
    window.draAnswers = (window.draAnswers || 0) + performance.now() - asked; // what following goes by, see shell.js
    if (answer.error || !isFollowing || wasFollowing) say(answer.error || "", isFollowing);
    return answer;
  } catch (error) {
    say("The server does not answer. Is dra app still running?", isFollowing);
    return null;
  }
}
const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
let wasFollowing = false; // following a run takes back what it said itself, not what the reader was told
function say(text, isFollowing = false) {
  wasFollowing = isFollowing;
  const place = part("message");
  if (!place) return;
  place.textContent = text;
  place.hidden = !text;
}
const KEPT = new Set(["chips", "measure", "histogram", "form"]); // parts that only the server changes, never the page itself
function fill(parts) {
  hideTip();
  for (const [name, html] of Object.entries(parts || {})) {
    const place = part(name);
    if (!place || place.filled === html) continue;
    place.innerHTML = html; // made by the server, which escapes every text that it did not write itself
    place.filled = KEPT.has(name) ? html : undefined;
  }
}

// ---- a page that was out of sight while its run grew catches up when it is seen again, with its own `grown` ----
let isBehind = false;
addEventListener("dra-live", (event) => {
  if (!isShown() && event.detail.run === address().run) isBehind = true;
});
new IntersectionObserver(async () => {
  if (!isBehind || !isShown()) return;
  isBehind = false;
  await painted(); // with another address the page asks for everything anyhow, see enter.js
  if (!running && root.dataset.drawn) grown();
}).observe(root);

// ---- keys, where no field is being filled in ----
function onKeys(keys) {
  document.addEventListener("keydown", (event) => {
    if (!isShown() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, [contenteditable], dialog[open]")) return;
    const action = keys[event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}

// ---- formulas, with the KaTeX that Gradio ships: no macro of a text may reach outside ----
const FORMULA = /\$\$([^$]{1,2000}?)\$\$|\\\[([\s\S]{1,2000}?)\\\]|\\\(([\s\S]{1,1000}?)\\\)|\$(?!\s)([^$\n]{1,500}?)(?<!\s)\$(?!\d)/g;
const MOST_FORMULAS = 600;
let katex = null;
let generation = 0;
async function drawFormulas(within) {
  const mine = ++generation;
  if (!props.katex_js) return;
  const texts = all(".dra-text", within).filter((text) => !text.closest(".raw, .dra-pair") && /[$\\]/.test(text.textContent));
  if (!texts.length) return;
  await new Promise((done) => setTimeout(done, 250));
  if (mine !== generation) return;
  katex = katex || (await loadKatex());
  if (!katex) return;
  let left = MOST_FORMULAS;
  for (const text of texts) {
    if (text.source !== undefined) continue;
    left = drawIn(text, left);
    await painted();
    if (mine !== generation || left <= 0) return;
  }
}
async function loadKatex() {
  try {
    const base = document.baseURI;
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL(props.katex_css, base).href });
    document.head.append(sheet);
    return (await import(new URL(props.katex_js, base).href)).default;
  } catch (error) {
    return null; // the source stays
  }
}
function drawIn(text, left) {
  const source = text.textContent;
  const pieces = [];
  let end = 0;
  for (const found of source.matchAll(FORMULA)) {
    if (left-- <= 0) break;
    pieces.push(source.slice(end, found.index));
    const formula = document.createElement("span");
    formula.className = "formula";
    formula.title = found[0];
    const options = { displayMode: found[1] !== undefined || found[2] !== undefined, throwOnError: false };
    try {
      katex.render(found[1] ?? found[2] ?? found[3] ?? found[4], formula, {
        ...options, trust: false, strict: "ignore", maxSize: 12, maxExpand: 200, output: "html",
      });
    } catch (error) {
      formula.textContent = found[0];
    }
    pieces.push(formula);
    end = found.index + found[0].length;
  }
  text.source = source;
  if (pieces.length) text.replaceChildren(...pieces, source.slice(end));
  return left;
}
function showSource(within) {
  generation++;
  for (const text of all(".dra-text", within)) {
    if (text.source === undefined) continue;
    text.textContent = text.source;
    delete text.source;
  }
}

// ---- saving figures ----
const INLINED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-family", "font-weight"];
function standalone(figure) {
  const svg = figure.querySelector("svg");
  const copy = svg.cloneNode(true);
  const marks = [...svg.querySelectorAll("*")];
  [...copy.querySelectorAll("*")].forEach((node, i) => {
    const style = getComputedStyle(marks[i]);
    node.setAttribute("style", INLINED.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
  });
  const { width, height } = svg.viewBox.baseVal;
  const ink = getComputedStyle(root);
  const said = (x, y, text, size) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", "text");
    node.setAttribute("style", `fill:${ink.color};font:${size}px sans-serif`);
    node.setAttribute("x", x);
    node.setAttribute("y", y);
    node.textContent = text;
    return node;
  };
  copy.append(said(4, -24, figure.querySelector("figcaption b").textContent, 13));
  let x = 4;
  for (const item of figure.querySelectorAll(".dra-legend > span")) {
    const colour = item.querySelector(".dra-key");
    if (!colour) continue;
    const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    Object.entries({ x, y: -16, width: 9, height: 9 }).forEach((pair) => box.setAttribute(...pair));
    box.setAttribute("style", `fill:${getComputedStyle(colour).backgroundColor}`);
    copy.append(box, said(x + 12, -8, item.textContent, 10));
    x += 24 + item.textContent.length * 5.6;
  }
  copy.setAttribute("viewBox", `0 -42 ${width} ${height + 42}`);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height + 42);
  copy.setAttribute("style", `background:${getComputedStyle(document.body).backgroundColor}`);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return { text: new XMLSerializer().serializeToString(copy), width, height: height + 42 };
}
function download(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
async function save(button) {
  const figure = button.closest("figure");
  const name = figure.dataset.name;
  const kind = button.dataset.save;
  if (kind === "csv") return download(new Blob([figure.dataset.csv], { type: "text/csv" }), `${name}.csv`);
  const { text, width, height } = standalone(figure);
  const svg = new Blob([text], { type: "image/svg+xml" });
  if (kind === "svg") return download(svg, `${name}.svg`);
  const image = new Image();
  image.src = URL.createObjectURL(svg);
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: width * 3, height: height * 3 });
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(document.body).backgroundColor;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => download(blob, `${name}.png`), "image/png");
  return URL.revokeObjectURL(image.src);
}

// ---- the pointer: one completion is lit in every figure; a heat map tells its cells ----
function light(i) {
  all(".lit").forEach((node) => node.classList.remove("lit"));
  if (i !== undefined) all(`[data-i="${i}"]`).forEach((node) => node.classList.add("lit"));
}
function cellAt(event) {
  const svg = event.target.closest("svg[data-heat]");
  if (!svg) return null;
  const { left, top, cell, order } = JSON.parse(svg.dataset.heat);
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  const [x, y] = [Math.floor((at.x - left) / cell), Math.floor((at.y - top) / cell)];
  if (x < 0 || y < 0 || x >= order.length || y >= order.length) return { svg };
  const value = JSON.parse(svg.dataset.values)[order[y]][order[x]];
  return { svg, i: order[y], j: order[x], value, box: { x: left + x * cell, y: top + y * cell, width: cell, height: cell } };
}
function hideTip() {
  const box = part("tip");
  if (box) box.hidden = true;
}
addEventListener("scroll", hideTip, { capture: true, passive: true });
function tip(event, text) {
  const box = part("tip");
  if (!box) return;
  box.hidden = !text;
  if (!text) return;
  box.textContent = text;
  box.style.left = `${Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8)}px`;
  box.style.top = `${event.clientY + 16}px`;
}
root.addEventListener("pointermove", (event) => {
  const cell = cellAt(event);
  light(cell ? undefined : event.target.closest("[data-i]")?.dataset.i);
  const cursor = root.querySelector(".cursor-cell");
  if (!cell || cell.i === undefined) {
    cursor?.setAttribute("width", 0);
    return tip(event, "");
  }
  Object.entries(cell.box).forEach(([name, value]) => cell.svg.querySelector(".cursor-cell").setAttribute(name, value));
  return tip(event, cell.i === cell.j ? `completion ${cell.i}` : `completions ${cell.i} and ${cell.j}: ${cell.value ?? "not measured"}`);
});
root.addEventListener("pointerleave", (event) => tip(event, ""));
root.addEventListener("click", (event) => {
  const button = event.target.closest("[data-save]");
  if (button) save(button);
});
