// The bar: which page and which run are shown, following the run, light or dark.
import { address, makePage, question, takeAnswering, writeAddress } from "./page.js";

const told = JSON.parse(document.getElementById("dra-told").textContent);
const shell = document.querySelector("#dra-shell .dra");
const chooser = shell.querySelector("[data-run]");
const part = (name) => shell.querySelector(`[data-part="${name}"]`);
const PAUSE = 2000;
const LONGEST_PAUSE = 10_000;
const PAUSES = 20; // times what the last answers took: following keeps the server busy for a twentieth of the time at most
const [FIRST_PAGE] = Object.keys(told.pages);
const opened = {}; // page -> its module, once it was shown
let stamp = null;
let ended = false;

const pageOf = (query) => (told.pages[query.page] ? query.page : FIRST_PAGE);
function addressFor(page, changes) {
  const old = address();
  const isSameRun = changes.run === undefined || changes.run === old.run;
  const { keys, place } = told.pages[page];
  const kept = [...told.always, ...(isSameRun ? [...place, ...keys] : keys.filter((key) => !place.includes(key))), "__theme"];
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...old, page, ...changes })) {
    if ((name === "page" || kept.includes(name) || name in changes) && value !== "" && value !== null && value !== undefined) {
      query.set(name, value);
    }
  }
  return `?${query.toString().replaceAll("%2C", ",")}`;
}
function go(page, changes = {}, isStep = true) {
  const next = addressFor(page, changes);
  if (next !== location.search) history[isStep ? "pushState" : "replaceState"](null, "", next);
  if (isStep) scrollTo({ top: 0 });
  show();
  if (changes.run !== undefined) look();
}
async function show() {
  const query = address();
  const name = pageOf(query);
  for (const other of Object.keys(told.pages)) document.getElementById(`dra-${other}`).hidden = other !== name;
  for (const link of shell.querySelectorAll("a[data-page]")) {
    link.toggleAttribute("aria-current", link.dataset.page === name && !link.matches(".dra-brand"));
    link.href = addressFor(link.dataset.page, {});
  }
  tellAddress();
  if (!query.run) return;
  const page = await open(name);
  if (pageOf(address()) !== name) return;
  if (page.base.isAsAddressed() && (page.base.root.dataset.drawn || page.base.running)) return catchUp(page);
  page.base.read();
  page.base.isBehind = false;
  page.show();
}
async function open(name) {
  opened[name] ??= import(`./${name}.js`).then((module) => {
    const base = makePage(document.querySelector(`#dra-${name} > .dra`), name, told.pages[name].keys, () => catchUp(page));
    const page = { base, ...module.default(base) };
    return page;
  });
  return opened[name];
}
// A page that was out of sight, or asked something else, while its run grew catches up when that is over.
function catchUp(page) {
  if (!page.base.isBehind || page.base.running || !page.base.isShown()) return;
  page.base.isBehind = false;
  page.grown();
}
async function tellGrown(run) {
  for (const page of await Promise.all(Object.values(opened))) {
    if (page.base.now.run !== run) continue;
    page.base.isBehind = true;
    catchUp(page);
  }
}
function tellAddress() {
  const { run, step, ...query } = address();
  const name = pageOf(query);
  const hasStep = step && told.pages[name].keys.includes("step");
  document.title = [told.pages[name].title, hasStep && `step ${step}`, run, "DRA Toolkit"].filter(Boolean).join(" · ");
  if (chooser.value !== run) chooser.value = run ?? "";
  shell.querySelector("[data-live]").setAttribute("aria-pressed", String(address().still !== "1"));
}
function fillChooser(runs) {
  const run = address().run ?? "";
  const ids = runs.includes(run) || !run ? runs : [run, ...runs];
  if ([...chooser.options].map((option) => option.value).join("\n") !== ids.join("\n") && document.activeElement !== chooser) {
    chooser.replaceChildren(...ids.map((id) => new Option(id, id)));
  }
  chooser.value = run;
  chooser.title = run;
}
function tell(name, text) {
  const place = part(name);
  place.hidden = !text;
  if (name === "message") place.textContent = text || "";
  else if (place.innerHTML !== text) place.innerHTML = text || "";
}
async function look() {
  const { run = "", page = "" } = address();
  let answer;
  try {
    answer = await question("app", "look", { run, page });
  } catch {
    return tell("message", "The server does not answer. Is dra app still running?");
  }
  fillChooser(answer.runs);
  tell("welcome", answer.welcome);
  tell("message", answer.gone || answer.error);
  for (const main of document.querySelectorAll("main")) main.classList.toggle("dra-without", Boolean(answer.welcome || answer.gone));
  if (!run && answer.runs.length) return go(pageOf(address()), { run: answer.runs[0] }, false);
  const state = shell.querySelector("[data-state]");
  Object.assign(state, { hidden: !answer.state, textContent: answer.state || "" });
  state.dataset.state = answer.state || "";
  for (const place of document.querySelectorAll("main:not([hidden]) [data-wrote]")) place.textContent = answer.wrote;
  ended = Boolean(answer.ended);
  const changed = stamp && stamp.run === run && stamp.stamp !== answer.stamp;
  if (changed && address().still === "1") return; // asked before the page was held still; told when it goes on
  stamp = { run, stamp: answer.stamp };
  if (changed) tellGrown(run);
}
async function follow() {
  const pause = Math.min(LONGEST_PAUSE, Math.max(PAUSE, PAUSES * takeAnswering()));
  if (!document.hidden && address().still !== "1" && !ended) await look(); // nothing is written to a run that has ended
  setTimeout(follow, pause);
}
shell.addEventListener("click", (event) => {
  const found = (selector) => event.target.closest(selector);
  const link = found("a[data-page]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    go(link.dataset.page);
  }
  if (found("[data-live]")) {
    writeAddress({ still: address().still === "1" ? "" : "1" });
    if (address().still !== "1") look();
  }
  if (found("[data-theme]")) {
    const isDark = getComputedStyle(document.documentElement).colorScheme !== "dark";
    writeAddress({ __theme: isDark ? "dark" : "light" });
    ground();
  }
});
function ground() {
  const asked = address().__theme;
  document.documentElement.classList.toggle("dark", asked === "dark");
  document.documentElement.classList.toggle("light", asked === "light");
}
chooser.addEventListener("change", () => go(pageOf(address()), { run: chooser.value }));
chooser.addEventListener("focus", () => ended && look()); // a run may have appeared since
addEventListener("dra-go", (event) => go(event.detail.page, event.detail.changes));
addEventListener("dra-address", tellAddress);
addEventListener("popstate", () => {
  ground();
  show();
  look();
});
document.addEventListener("visibilitychange", () => !document.hidden && address().still !== "1" && look());
ground();
show();
look().then(() => setTimeout(follow, PAUSE));
