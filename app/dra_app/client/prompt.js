// The Prompt page: the curves first, then the small groups, then the differences of two steps.
const KEYS = ["run", "mode", "prompt", "between"];
const GROWING = [".dra-group-head", ".dra-figures", ".dra-scroll.list"]; // what a longer run changes of the part `prompt`
let now = {};
let came = ""; // the part `prompt` as the server sent it last

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
    came = answer.parts?.prompt ?? came;
    if (!isNewest) return;
    Object.assign(now, answer.state || {});
    writeAddress(now);
    if (now.prompt) follow(isOther || !part("thumbs").innerHTML);
  }, since);
}
// While the run is written: the curves and the list go on; what is typed, compared, scrolled or has the focus stays.
async function grown() {
  const before = JSON.stringify(now);
  const answer = await call("prompt_show", { ...now }, true);
  if (!answer?.parts || answer.error || running || before !== JSON.stringify(now) || answer.parts.prompt === came) return;
  renew(answer.parts.prompt);
  if (!now.prompt) return;
  const isComparedAnew = answer.state.between !== now.between;
  Object.assign(now, answer.state);
  writeAddress(now);
  if (isComparedAnew) return follow();
  const thumbs = await call("prompt_thumbs", { ...now }, true);
  if (thumbs && !running) fill(thumbs.parts);
}
function renew(html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html; // made by the server, which escapes every text that it did not write itself
  const place = part("prompt");
  const pieces = GROWING.map((selector) => [place.querySelector(selector), fresh.content.querySelector(selector)]);
  came = html;
  if (!pieces.some(([old, next]) => old && next)) return fill({ prompt: html });
  const focused = document.activeElement?.closest?.("tr[data-prompt]")?.dataset.prompt;
  for (const [old, next] of pieces) if (old && next) old.replaceWith(next);
  if (focused) place.querySelector(`tr[data-prompt="${focused}"]`)?.focus({ preventScroll: true });
}
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
