// The What-if page: the form's settings live in the address as `set`; a change asks for the group, then for the step.
import { copy, go, makeSteps, painted } from "./page.js";

export default function whatIf(page) {
  const { root, part, all } = page;
  const steps = makeSteps(page, (step, since, isTyped) => request({ step }, since, isTyped));
  let wholeRun = 0; // which recomputation of the run is wanted: a newer one ends an older one

  function request(changes = {}, since = performance.now(), isStep = false) {
    const fresh = "set" in changes || "run" in changes;
    Object.assign(page.now, changes);
    page.write(isStep);
    if (fresh) wholeRun++;
    page.ask("show_group", { ...page.now, fresh: fresh || !part("all-run").innerHTML ? "1" : "" }, draw, since);
  }
  const show = () => request({ run: page.now.run });
  function draw(answer, isNewest) {
    page.fill(answer.parts);
    if (answer.steps) steps.set(answer.steps);
    if (!isNewest) return;
    Object.assign(page.now, answer.state || {});
    steps.tell();
    const { batch, group } = page.now;
    root.querySelector("[data-group]").textContent = Number(batch) ? `${batch}·${group}` : (group === "" ? "–" : group);
    page.write();
    if (steps.list.length && answer.parts.group) askStep();
  }
  async function askStep() {
    const mine = page.newest();
    const since = performance.now();
    await painted();
    if (!(await page.later("show_step", mine))) return;
    await painted();
    root.dataset.stepMilliseconds = (performance.now() - since).toFixed(1);
  }
  async function recomputeRun(button) {
    Object.assign(button, { disabled: true, textContent: "replaying …" });
    const mine = ++wholeRun;
    const answer = await page.call("show_run", { ...page.now });
    if (answer && !answer.error && mine === wholeRun) page.fill(answer.parts);
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
  function withPreset(name) {
    const kept = settings().split(",").filter((pair) => pair && pair !== "diversity=none");
    if (root.querySelector("[data-key=diversity]").value === "none") kept.push("diversity=graph_cut"); // guards of nothing do nothing
    return [`diversity_preset=${name}`, ...kept].join(",");
  }
  function moveGroup(by, since) {
    const group = Number(page.now.group || 0) + by; // beyond the last one the answer says so
    if (group >= 0) request({ group }, since);
  }
  root.addEventListener("input", (event) => {
    if (event.target.matches("[data-key]") && event.target.checkValidity()) request({ set: settings() }, event.timeStamp);
  });
  page.onClick({
    "[data-by]": (hit, since) => steps.move(Number(hit.dataset.by), since),
    "[data-group-by]": (hit, since) => moveGroup(Number(hit.dataset.groupBy), since),
    "[data-reset]": (hit, since) => request({ set: "" }, since, true),
    "[data-preset]": (hit, since) => request({ set: withPreset(hit.dataset.preset) }, since, true),
    "[data-run-all]": recomputeRun,
    "[data-goto]": (hit, since) => {
      const [step, batch, group] = hit.dataset.goto.split(",");
      request({ step, batch, group }, since, true);
    },
    "[data-rank]": async (hit) => {
      hit.disabled = true;
      hit.textContent = "replaying …";
      await page.later("show_ranking", page.newest(), { ...page.now, whole: hit.dataset.rank });
    },
    "[data-take]": (hit, since) => request({ set: hit.dataset.take }, since, true),
    "[data-copy-lines]": (hit) => copy(hit, `${part("lines").querySelector("[data-copy]").textContent}\n`),
    "a[data-page]": (hit) => go(hit.dataset.page),
  });
  page.onKeys({
    j: (event) => moveGroup(1, event.timeStamp),
    k: (event) => moveGroup(-1, event.timeStamp),
  });
  return { show, grown: () => steps.grow(show) };
}
