// The Groups page: what a click, a key or the slider asks for, and where the answer goes.
const KEYS = ["run", "step", "mode", "batch", "group", "sort", "descending", "marks", "measure", "low", "high", "pair"];
const slider = root.querySelector("[data-slider]");
let now = {};
let steps = [];
let player = null;

function fromAddress() {
  const found = address();
  now = Object.fromEntries(KEYS.map((name) => [name, found[name] ?? ""]));
}
function request(want, changes = {}, since = performance.now()) {
  Object.assign(now, changes);
  const wanted = want === "view" && !root.querySelector(".dra-card") ? "step" : want; // there is no group to keep
  ask("groups_show", { ...now, want: wanted }, draw, since);
}
function draw(answer, isNewest) {
  fill(answer.parts);
  if (answer.steps) steps = stepsOf(answer.steps);
  if (isNewest && answer.state) Object.assign(now, answer.state);
  if (isNewest) tell();
  if (answer.late !== undefined) addRows(answer.late);
  if (answer.parts?.cards !== undefined && wantsFormulas()) drawFormulas(part("page"));
}
async function addRows(html) {
  const body = root.querySelector("table.dra-groups tbody");
  await painted(); // what the reader looks at first
  await new Promise((done) => setTimeout(done, 30));
  if (!body?.isConnected || !html) return;
  body.insertAdjacentHTML("beforeend", html);
  choose();
}
function stepsOf(span) {
  return span.list ?? Array.from({ length: span.last - span.first + 1 }, (_, i) => span.first + i);
}
function tellSteps() {
  const at = steps.indexOf(Number(now.step));
  slider.max = Math.max(0, steps.length - 1);
  slider.value = Math.max(0, at);
  slider.disabled = steps.length < 2;
  root.querySelector("[data-step]").textContent = steps.length ? `${now.step} of ${steps[steps.length - 1]}` : "–";
}
function tell() {
  tellSteps();
  all("[data-mode]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.mode === (now.mode || "train"))));
  choose();
  writeAddress(now);
}
function rows() {
  return all("table.dra-groups tbody tr");
}
const isChosen = (row) => row.dataset.batch === String(now.batch || 0) && row.dataset.group === String(now.group || 0);
function choose() {
  for (const row of rows()) {
    const chosen = isChosen(row);
    if (chosen !== row.classList.contains("chosen")) row.classList.toggle("chosen", chosen);
    if (chosen) {
      const box = row.closest(".dra-scroll");
      const top = row.offsetTop - 40;
      if (top < box.scrollTop || row.offsetTop + row.offsetHeight > box.scrollTop + box.clientHeight) {
        box.scrollTop = Math.max(0, top - box.clientHeight / 2);
      }
    }
  }
}
function showGroup(row, since) {
  if (!row) return;
  request("group", { batch: row.dataset.batch, group: row.dataset.group, pair: "" }, since);
  choose();
}
function moveGroup(by, since) {
  const there = rows();
  const at = there.findIndex(isChosen);
  showGroup(there[at < 0 ? 0 : at + by], since);
}
function showStep(step, since) {
  if (step === undefined || step === Number(now.step)) return;
  request("step", { step, pair: "" }, since);
}
function moveStep(by, since) {
  showStep(steps[steps.indexOf(Number(now.step)) + by], since);
}
function play() {
  const button = root.querySelector("[data-play]");
  if (player) {
    clearInterval(player);
    player = null;
  } else {
    player = setInterval(() => {
      if (running || !isShown()) return;
      if (steps.indexOf(Number(now.step)) >= steps.length - 1) play();
      else moveStep(1);
    }, 700);
  }
  button.textContent = player ? "⏸" : "▶▶";
  button.setAttribute("aria-label", player ? "pause" : "play the steps");
}
const wantsFormulas = () => sessionStorage.getItem("dra-formulas") !== "off";

slider.addEventListener("input", (event) => showStep(steps[Number(slider.value)], event.timeStamp));
root.addEventListener("change", (event) => {
  if (event.target.matches("[data-measure]")) request("view", { measure: event.target.value, low: "", high: "" }, event.timeStamp);
});
root.addEventListener("click", (event) => {
  const found = (selector) => event.target.closest(selector);
  const since = event.timeStamp;
  const cell = cellAt(event);
  let hit;
  if (cell && cell.i !== undefined && cell.i !== cell.j) return comparePair(cell.i, cell.j, since);
  if ((hit = found("[data-by]"))) return moveStep(Number(hit.dataset.by), since);
  if (found("[data-play]")) return play();
  if ((hit = found("[data-mode]"))) return request("step", { mode: hit.dataset.mode, batch: "", group: "", pair: "" }, since);
  if ((hit = found("[data-mark]"))) return toggleMark(hit.dataset.mark, since);
  if (found("[data-clear]")) return request("view", { marks: "", low: "", high: "" }, since);
  if ((hit = found("[data-sort]"))) return sortBy(hit.dataset.sort, since);
  if ((hit = found("[data-low]"))) return keepBin(hit.dataset, since);
  if ((hit = found("table.dra-groups tbody tr"))) return showGroup(hit, since);
  if ((hit = found("[data-raw]"))) return showRaw(hit);
  if ((hit = found("[data-whole]"))) return showWhole(hit);
  if ((hit = found("[data-formulas]"))) return toggleFormulas(hit);
  if (found("[data-close]")) return closePair();
  if ((hit = found("a[data-page]"))) {
    event.preventDefault();
    if (hit.dataset.page === "prompt") writeAddress({ prompt: rows().find(isChosen)?.dataset.prompt, between: "" });
    return leave(hit.dataset.page);
  }
  return undefined;
});
function toggleMark(mark, since) {
  const marks = new Set((now.marks || "").split(",").filter(Boolean));
  if (!marks.delete(mark)) marks.add(mark);
  request("view", { marks: [...marks].join(",") }, since);
}
function sortBy(name, since) {
  const again = (now.sort || "group_index") === name;
  const descending = again ? !(now.descending === "1") : name !== "group_index";
  request("view", { sort: name, descending: descending ? "1" : "" }, since);
}
function keepBin({ low, high }, since) {
  const same = now.low === low && now.high === high;
  request("view", { low: same ? "" : low, high: same ? "" : high }, since);
}
function comparePair(i, j, since) {
  now.pair = `${i},${j}`;
  ask("groups_compare", { ...now }, (answer, isNewest) => {
    draw(answer, isNewest);
    part("pair").scrollIntoView({ block: "nearest" });
  }, since);
}
function closePair() {
  part("pair").innerHTML = "";
  now.pair = "";
  writeAddress(now);
}
async function showRaw(button) {
  const card = button.closest("[data-i]");
  const raw = card.querySelector(".raw");
  const isOn = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(isOn));
  card.classList.toggle("is-raw", isOn);
  raw.hidden = !isOn;
  if (isOn && !raw.textContent) await appendText(raw, "raw", button.dataset.raw, 0);
}
async function showWhole(button) {
  const place = button.previousElementSibling;
  delete place.source;
  place.replaceChildren();
  await appendText(place, button.dataset.whole, button.dataset.of, 0);
  button.remove();
}
async function appendText(place, name, of, start) {
  const answer = await call("groups_text", { ...now, part: name, of, start });
  if (!answer || answer.error) return;
  place.append(document.createTextNode(answer.text));
  if (answer.next === null) return;
  const more = document.createElement("button");
  more.type = "button";
  more.className = "dra-quiet";
  more.textContent = `show more (${answer.next.toLocaleString("en")} of ${answer.characters.toLocaleString("en")} characters shown)`;
  more.addEventListener("click", () => {
    more.remove();
    appendText(place, name, of, answer.next);
  });
  place.append(more);
}
function toggleFormulas(button) {
  const isOn = !wantsFormulas();
  sessionStorage.setItem("dra-formulas", isOn ? "on" : "off");
  button.setAttribute("aria-pressed", String(isOn));
  button.textContent = isOn ? "formulas drawn" : "formulas as written";
  if (isOn) drawFormulas(part("page"));
  else showSource(part("page"));
}
onKeys({
  j: (event) => moveGroup(1, event.timeStamp),
  k: (event) => moveGroup(-1, event.timeStamp),
  ArrowDown: (event) => moveGroup(1, event.timeStamp),
  ArrowUp: (event) => moveGroup(-1, event.timeStamp),
  ArrowRight: (event) => moveStep(1, event.timeStamp),
  ArrowLeft: (event) => moveStep(-1, event.timeStamp),
  l: (event) => moveStep(1, event.timeStamp),
  h: (event) => moveStep(-1, event.timeStamp),
  p: play,
  "?": () => root.querySelector(".dra-help").toggleAttribute("open"),
  Escape: closePair,
});
const first = () => request("step");
// While the run is written: the slider reaches further, the reader stays where he is.
async function grown() {
  const answer = await call("groups_steps", { ...now }, true);
  if (!answer?.steps || running) return;
  if (!steps.length) return first();
  steps = stepsOf(answer.steps);
  return tellSteps();
}
