// The What-if page: the form's settings live in the address as `set`; a change asks for the group, then for the step.
const KEYS = ["run", "step", "mode", "batch", "group", "set"];
const slider = root.querySelector("[data-slider]");
let now = {};
let steps = [];
let wholeRun = 0; // which recomputation of the run is wanted: a newer one ends an older one

function fromAddress() {
  const found = address();
  now = Object.fromEntries(KEYS.map((name) => [name, found[name] ?? ""]));
}
function request(changes = {}, since = performance.now()) {
  const fresh = "set" in changes || "run" in changes;
  Object.assign(now, changes);
  if (fresh) wholeRun++;
  ask("what_if_group", { ...now, fresh: fresh || !part("all-run").innerHTML ? "1" : "" }, drawGroup, since);
}
const first = () => request({ run: now.run });
function drawGroup(answer, isNewest) {
  const focused = document.activeElement?.dataset?.key;
  fill(answer.parts);
  if (focused) root.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
  if (answer.steps) steps = stepsOf(answer.steps);
  if (!isNewest) return;
  Object.assign(now, answer.state || {});
  tellSteps();
  root.querySelector("[data-group]").textContent = Number(now.batch) ? `${now.batch}·${now.group}` : (now.group === "" ? "–" : now.group);
  writeAddress(now);
  if (steps.length && !answer.error) askStep();
}
const stepsOf = (span) => span.list ?? Array.from({ length: span.last - span.first + 1 }, (_, i) => span.first + i);
function tellSteps() {
  slider.max = Math.max(0, steps.length - 1);
  slider.value = Math.max(0, steps.indexOf(Number(now.step)));
  root.querySelector("[data-step]").textContent = steps.length ? `${now.step} of ${steps[steps.length - 1]}` : "–";
}
async function grown() {
  const answer = await call("what_if_steps", { ...now }, true);
  if (!answer?.steps || running) return;
  if (!steps.length) return first();
  steps = stepsOf(answer.steps);
  return tellSteps();
}
async function askStep() {
  const mine = JSON.stringify(now);
  const since = performance.now();
  await painted();
  if (mine !== JSON.stringify(now)) return;
  const answer = await call("what_if_one_step", { ...now });
  if (!answer || mine !== JSON.stringify(now)) return;
  fill(answer.parts);
  await painted();
  root.dataset.stepMilliseconds = (performance.now() - since).toFixed(1);
}
async function recomputeRun() {
  const mine = ++wholeRun;
  let after = "";
  let sums = {};
  while (after !== null && mine === wholeRun) {
    const answer = await call("what_if_run", { ...now, after, sums });
    if (!answer || answer.error || mine !== wholeRun) return;
    fill(answer.parts);
    sums = answer.sums;
    after = answer.next;
  }
}
function settings() {
  const changed = [];
  for (const field of all("[data-key]")) {
    if (!field.checkValidity()) continue;
    const value = field.value === "" && field.dataset.empty ? field.dataset.empty : field.value;
    if (value !== field.dataset.recorded && Number(value) !== Number(field.dataset.recorded || NaN)) changed.push(`${field.dataset.key}=${value}`);
  }
  return changed.join(",");
}
function withPreset() {
  const pairs = [...settings().split(","), ...root.dataset.robust.split(",")].filter(Boolean).map((pair) => pair.split("="));
  const set = new Map(pairs);
  if (root.querySelector("[data-key=diversity]")?.value === "none") set.set("diversity", "graph_cut"); // guards of nothing do nothing
  return [...set].map((pair) => pair.join("=")).join(",");
}
function move(by, since) {
  const step = steps[steps.indexOf(Number(now.step)) + by];
  if (step !== undefined) request({ step }, since);
}
function moveGroup(by, since) {
  const group = Number(now.group || 0) + by;
  if (group >= 0) request({ group }, since);
}
slider.addEventListener("input", (event) => {
  const step = steps[Number(slider.value)];
  if (step !== undefined && step !== Number(now.step)) request({ step }, event.timeStamp);
});
root.addEventListener("input", (event) => {
  if (event.target.matches("[data-key]") && event.target.checkValidity()) request({ set: settings() }, event.timeStamp);
});
root.addEventListener("click", (event) => {
  const found = (selector) => event.target.closest(selector);
  const since = event.timeStamp;
  let hit;
  if ((hit = found("[data-by]"))) return move(Number(hit.dataset.by), since);
  if ((hit = found("[data-group-by]"))) return moveGroup(Number(hit.dataset.groupBy), since);
  if (found("[data-reset]")) return request({ set: "" }, since);
  if (found("[data-preset]")) return request({ set: withPreset() }, since);
  if (found("[data-run-all]")) return recomputeRun();
  if (found("[data-stop]")) {
    wholeRun++;
    return hitStop();
  }
  if ((hit = found("[data-goto]"))) {
    const [step, batch, group] = hit.dataset.goto.split(",");
    return request({ step, batch, group }, since);
  }
  if ((hit = found("[data-copy-lines]"))) return copyLines(hit);
  if ((hit = found("a[data-page]"))) {
    event.preventDefault();
    return leave(hit.dataset.page);
  }
  return undefined;
});
function hitStop() {
  part("all-run").querySelector("[data-stop]")?.replaceWith(document.createTextNode("stopped"));
}
async function copyLines(button) {
  const lines = part("lines").querySelector("[data-copy]");
  try {
    await navigator.clipboard.writeText(`${lines.textContent}\n`);
    button.textContent = "copied";
  } catch (error) {
    getSelection().selectAllChildren(lines); // no clipboard without https: the lines are marked for a copy by hand
    button.textContent = "marked";
  }
  setTimeout(() => {
    button.textContent = "copy";
  }, 1500);
}
onKeys({
  j: (event) => moveGroup(1, event.timeStamp),
  k: (event) => moveGroup(-1, event.timeStamp),
  ArrowRight: (event) => move(1, event.timeStamp),
  ArrowLeft: (event) => move(-1, event.timeStamp),
  l: (event) => move(1, event.timeStamp),
  h: (event) => move(-1, event.timeStamp),
});
