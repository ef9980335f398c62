// The Overview: the curves of the groups first, then reward functions, logged metrics, health and the other runs.
import { go } from "./page.js";

export default function overview(page) {
  const { root, part, all } = page;
  const smooth = root.querySelector("[data-smooth]");
  const mode = root.querySelector("[data-mode]");
  const folds = all("[data-asks]"); // what takes longer is asked for when it is unfolded
  const filter = root.querySelector("[data-filter]");
  function show() {
    smooth.value = page.now.smooth;
    mode.value = page.now.mode === "eval" ? "eval" : "";
    page.ask("show", { ...page.now }, draw);
  }
  async function draw(answer, isNewest) {
    page.fill(answer.parts);
    part("bar").hidden = !part("figures").querySelector("figure") && !part("logged").querySelector("figure");
    root.querySelector("[data-whole-run]").hidden = !page.now.from && !page.now.to;
    applyFilter();
    if (!isNewest) return;
    Object.assign(page.now, answer.state);
    page.write();
    const mine = page.newest();
    page.later("runs", mine).then(() => root.querySelector(".dra-runs tr.chosen")?.scrollIntoView({ block: "nearest" }));
    page.later("health", mine);
    await page.later("functions", mine);
    await page.later("logged", mine);
    part("bar").hidden = !root.querySelector("figure");
    for (const fold of folds) {
      fold.hidden = part("bar").hidden;
      if (fold.dataset.run !== page.now.run) fold.open = false;
      if (fold.open && fold.dataset.asks === "scatter") await unfold(fold);
    }
    applyFilter();
  }
  function applyFilter() {
    const wanted = filter.value.trim().toLowerCase();
    for (const figure of all("figure")) figure.hidden = !figure.querySelector("figcaption b").textContent.toLowerCase().includes(wanted);
    for (const section of all("[data-part=logged] details.dra-section")) section.hidden = !section.querySelector("figure:not([hidden])");
  }
  function change(changes) {
    Object.assign(page.now, changes);
    page.write();
    show();
  }
  async function unfold(fold) {
    const { run } = page.now;
    if (fold.dataset.run !== run) page.fill({ [fold.dataset.asks]: '<p class="dra-empty">Reading the groups …</p>' });
    fold.dataset.run = run;
    const answer = await page.call(fold.dataset.asks, { ...page.now });
    if (answer && !answer.error && run === page.now.run) page.fill(answer.parts);
  }
  for (const fold of folds) fold.addEventListener("toggle", () => fold.open && unfold(fold));
  root.addEventListener("change", ({ target }) => {
    if (!target.dataset.axis) return;
    page.now[target.dataset.axis] = target.value;
    page.write();
    unfold(target.closest("[data-asks]"));
  });
  filter.addEventListener("input", applyFilter);
  smooth.addEventListener("change", () => change({ smooth: smooth.value }));
  mode.addEventListener("change", () => change({ mode: mode.value }));
  root.addEventListener("dra-point", ({ detail }) => {
    if (detail.figure !== "evaluation") go("groups", { step: detail.step, mode: page.now.mode, batch: "", group: "", completion: "" });
  });
  root.addEventListener("dra-span", ({ detail }) => change({ from: detail.low, to: detail.high }));
  page.onClick({
    "button[data-step]": ({ dataset: { step, mode } }) => go("groups", { step, mode, batch: "", group: "", completion: "", pair: "" }),
    "[data-dot]": (hit) => {
      const [step, batch, group, completion] = hit.dataset.dot.split(",");
      go("groups", { step, mode: page.now.mode, batch, group, completion, pair: "" });
    },
    "[data-whole-run]": () => change({ from: "", to: "" }),
    "a[data-run]": (link) => go("overview", { run: link.dataset.run }),
  });
  return { show, grown: show };
}
