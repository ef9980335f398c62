// The Compare page: the curves first, then the prompts of both runs, then the chosen prompt side by side.
const KEYS = ["run", "other", "smooth", "prompt", "step"];
const chooser = root.querySelector("[data-other]");
const smooth = root.querySelector("[data-smooth]");
let now = {};
let asked = 0;
function fromAddress() {
  const found = address();
  now = Object.fromEntries(KEYS.map((name) => [name, found[name] ?? ""]));
  if (now.other === now.run) now.other = "";
  smooth.value = now.smooth;
}
const question = () => ({ ...now, dark: isDark() ? "1" : "" });
const first = () => refresh();
const grown = () => refresh();
function refresh() {
  ask("compare_show", question(), draw);
}
async function draw(answer, isNewest) {
  fillFrames("figures", answer.parts.figures);
  if (!isNewest) return;
  const mine = ++asked;
  Object.assign(now, answer.state || {});
  root.querySelector("[data-left]").textContent = now.run;
  chooser.replaceChildren(...(answer.others || []).map((id) => new Option(id, id)));
  chooser.value = now.other;
  chooser.parentElement.hidden = !answer.others?.length;
  if (!answer.others?.length) return;
  writeAddress(now);
  later("compare_prompts", mine);
  later("compare_prompt", mine);
  await drawPlots(answer.figures, toGroups);
}
async function later(name, mine) {
  const answer = await call(name, question());
  if (!answer || answer.error || mine !== asked) return;
  for (const [place, html] of Object.entries(answer.parts || {})) fillFrames(place, html);
}
function toGroups(point) {
  const changes = { run: point.data.meta, step: point.x, mode: "", batch: "", group: "" };
  dispatchEvent(new CustomEvent("dra-go", { detail: { page: "groups", changes } }));
}
function choosePrompt(row) {
  Object.assign(now, { prompt: row.dataset.prompt, step: "" });
  all("tr[data-prompt]").forEach((other) => other.classList.toggle("chosen", other === row));
  writeAddress(now);
  ask("compare_prompt", question(), (answer) => {
    for (const [place, html] of Object.entries(answer.parts || {})) fillFrames(place, html);
    part("prompt").scrollIntoView({ block: "nearest", behavior: "smooth" });
  });
}
chooser.addEventListener("change", () => {
  Object.assign(now, { other: chooser.value, prompt: "", step: "" });
  writeAddress(now);
  refresh();
});
smooth.addEventListener("change", () => {
  now.smooth = smooth.value;
  writeAddress({ smooth: now.smooth });
  refresh();
});
root.addEventListener("click", (event) => {
  const found = (selector) => event.target.closest(selector);
  const save = found("[data-plot-save]");
  if (save) return savePlot(save, (figure) => call("compare_csv", { ...now, figure }));
  const row = found("tr[data-prompt]");
  if (row) return choosePrompt(row);
  const group = found("[data-open]");
  if (group) {
    event.preventDefault();
    const { open: run, step, batch, group: index } = group.dataset;
    dispatchEvent(new CustomEvent("dra-go", { detail: { page: "groups", changes: { run, step, batch, group: index, mode: "" } } }));
  }
  return undefined;
});
root.addEventListener("keydown", (event) => {
  const row = event.target.closest("tr[data-prompt]");
  if (row && event.key === "Enter") choosePrompt(row);
});
addEventListener("dra-theme", () => isShown() && refresh());
