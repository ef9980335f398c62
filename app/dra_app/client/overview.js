// The Overview: the curves first, then the reward functions, the health notes and the other runs.
let now = {};
const KEYS = ["run", "smooth"]; // what of the address this page shows
let asked = 0;
const smooth = root.querySelector("[data-smooth]");
function fromAddress() {
  const found = address();
  now = { run: found.run ?? "", smooth: found.smooth ?? "" };
  smooth.value = now.smooth;
}
const question = () => ({ ...now, dark: isDark() ? "1" : "", fresh: window.Plotly ? "" : "1" });
const first = () => refresh();
function refresh() {
  ask("overview_show", question(), draw);
}
async function draw(answer, isNewest) {
  fill({ facts: answer.parts.facts });
  fillFrames("figures", answer.parts.figures);
  showPreviews(answer.previews);
  document.getElementById("dra-first")?.remove();
  part("bar").hidden = !Object.keys(answer.figures).length;
  if (!isNewest) return;
  const mine = ++asked;
  later("overview_runs", mine);
  later("overview_health", mine);
  if (Object.keys(answer.figures).length) later("overview_functions", mine);
  await drawPlots(answer.figures, toGroups);
  root.dataset.ready = String(mine);
}
async function later(name, mine) {
  const answer = await call(name, question());
  if (!answer || answer.error || mine !== asked) return;
  for (const [place, html] of Object.entries(answer.parts || {})) fillFrames(place, html);
  if (answer.figures) await drawPlots(answer.figures, toGroups);
}
function toGroups(point) {
  dispatchEvent(new CustomEvent("dra-go", { detail: { page: "groups", changes: { step: point.x, mode: "train", batch: "", group: "" } } }));
}
smooth.addEventListener("change", () => {
  now.smooth = smooth.value;
  writeAddress({ smooth: now.smooth });
  refresh();
});
root.addEventListener("click", (event) => {
  const found = (selector) => event.target.closest(selector);
  const save = found("[data-plot-save]");
  if (save) return savePlot(save, (figure) => call("overview_csv", { ...now, figure }));
  const run = found("a[data-run]");
  if (run && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    dispatchEvent(new CustomEvent("dra-go", { detail: { page: "overview", changes: { run: run.dataset.run } } }));
  }
  return undefined;
});
const grown = refresh; // the run was written to
addEventListener("dra-theme", () => isShown() && refresh());
