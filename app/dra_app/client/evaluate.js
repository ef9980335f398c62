// The Evaluate page: the table and the curves first, then the comparison of two rows.
const KEYS = ["run", "metric", "left", "right"];
let now = {};
let asked = 0;
function fromAddress() {
  const found = address();
  now = Object.fromEntries(KEYS.map((name) => [name, found[name] ?? ""]));
}
const question = () => ({ ...now, dark: isDark() ? "1" : "" });
const first = () => refresh();
const grown = () => refresh();
function refresh() {
  ask("evaluate_show", question(), draw);
}
async function draw(answer, isNewest) {
  for (const [place, html] of Object.entries(answer.parts)) fillFrames(place, html);
  if (!isNewest) return;
  const mine = ++asked;
  if (answer.state.left) {
    Object.assign(now, answer.state);
    writeAddress(now);
    later(mine);
  }
  if (Object.keys(answer.figures).length) await drawPlots(answer.figures);
}
async function later(mine) {
  const answer = await call("evaluate_pair", question());
  if (answer && !answer.error && mine === asked) fillFrames("pair", answer.parts.pair);
}
root.addEventListener("change", (event) => {
  const pick = event.target.dataset.pick;
  if (pick) now[pick] = event.target.value;
  else if (event.target.matches("[data-metric]")) now.metric = event.target.value;
  else return;
  writeAddress(now);
  refresh();
});
root.addEventListener("click", (event) => {
  const save = event.target.closest("[data-plot-save]");
  if (save) savePlot(save, (figure) => call("evaluate_csv", { ...now, figure }));
});
addEventListener("dra-theme", () => isShown() && refresh());
