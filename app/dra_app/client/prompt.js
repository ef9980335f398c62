// The Prompt page: the curves first, then the small groups, then the differences of two steps.
const KEYS = ["run", "mode", "prompt", "between"];
let now = {};

function fromAddress() {
  const found = address();
  now = Object.fromEntries(KEYS.map((name) => [name, found[name] ?? ""]));
}
const first = () => request();
function request(changes = {}, since = performance.now()) {
  const { find, ...kept } = changes;
  const isOther = "prompt" in kept || find !== undefined;
  Object.assign(now, kept);
  ask("prompt_show", { ...now, find: find || "" }, (answer, isNewest) => {
    fill(answer.parts);
    if (!isNewest) return;
    Object.assign(now, answer.state || {});
    writeAddress(now);
    if (now.prompt) follow(isOther || !part("thumbs").innerHTML);
  }, since);
}
const grown = () => {
  if (!now.prompt) request();
};
async function follow() {
  const mine = JSON.stringify(now);
  for (const name of ["prompt_pairs", "prompt_thumbs"]) {
    await painted();
    if (mine !== JSON.stringify(now)) return;
    const answer = await call(name, { ...now });
    if (!answer || mine !== JSON.stringify(now)) return;
    fill(answer.parts);
  }
}
function choosePlace(place, since) {
  const [from, to] = (now.between || "0,0").split(",").map(Number);
  if (place === from || place === to) return;
  // the chosen one takes the place of the nearer of the two
  const between = Math.abs(place - from) <= Math.abs(place - to) ? [place, to] : [from, place];
  request({ between: between.join(",") }, since);
}
root.addEventListener("click", (event) => {
  const found = (selector) => event.target.closest(selector);
  let hit;
  if ((hit = found("[data-open]"))) {
    event.preventDefault();
    const { step, batch, group } = hit.dataset;
    writeAddress({ step, batch, group, pair: "" });
    return leave("groups");
  }
  if ((hit = found("[data-place]"))) return choosePlace(Number(hit.dataset.place), event.timeStamp);
  if (found("[data-list]")) return request({ prompt: "", between: "" }, event.timeStamp);
  if ((hit = found("tr[data-prompt]"))) return request({ prompt: hit.dataset.prompt, between: "" }, event.timeStamp);
  return undefined;
});
root.addEventListener("keydown", (event) => {
  const row = event.target.closest("tr[data-prompt]");
  if (row && event.key === "Enter") request({ prompt: row.dataset.prompt, between: "" }, event.timeStamp);
});
root.addEventListener("submit", (event) => {
  event.preventDefault();
  const find = event.target.elements.find.value.trim();
  if (find) request({ find, prompt: "", between: "" }, event.timeStamp);
});
