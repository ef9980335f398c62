// The bar: which page and which run are shown, following the run, light or dark.
const known = JSON.parse(props.address_keys);
const chooser = root.querySelector("[data-run]");
const PAUSE = 2000;
const LONGEST_PAUSE = 10_000;
const PAUSES = 20; // times what the last answers took: following keeps the server busy for a twentieth of the time at most
const FIRST_PAGE = "overview";
let stamp = null;

const pageOf = (query) => (known.own[query.get("page")] ? query.get("page") : FIRST_PAGE);
function addressFor(page, changes) {
  const old = new URLSearchParams(location.search);
  const sameRun = changes.run === undefined || changes.run === old.get("run");
  const kept = [...known.always, ...(sameRun ? known.place : []), ...known.own[page], "__theme"];
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...Object.fromEntries(old), page, ...changes })) {
    if ((kept.includes(name) || name in changes) && value !== "" && value !== null && value !== undefined) query.set(name, value);
  }
  return `?${query.toString().replaceAll("%2C", ",")}`;
}
function go(page, changes = {}) {
  const next = addressFor(page, changes);
  if (next !== location.search) history.pushState(null, "", next);
  show();
  if (changes.run !== undefined) dispatchEvent(new PopStateEvent("popstate"));
  scrollTo({ top: 0 });
}
function show() {
  const query = new URLSearchParams(location.search);
  const page = pageOf(query);
  document.documentElement.dataset.page = page;
  for (const link of all("a[data-page]")) {
    if (link.dataset.page === page) {
      link.setAttribute("aria-current", "page");
      link.parentElement.scrollLeft = link.offsetLeft - link.parentElement.offsetLeft - 40;
    } else link.removeAttribute("aria-current");
    link.href = addressFor(link.dataset.page, {});
  }
  if (chooser.value !== query.get("run")) chooser.value = query.get("run") ?? "";
  const live = root.querySelector("[data-live]");
  live.setAttribute("aria-pressed", String(query.get("still") !== "1"));
}
function fillChooser(runs) {
  const run = address().run ?? "";
  const ids = runs.includes(run) || !run ? runs : [run, ...runs];
  if ([...chooser.options].map((option) => option.value).join("\n") !== ids.join("\n") && document.activeElement !== chooser) {
    chooser.replaceChildren(...ids.map((id) => new Option(id, id)));
  }
  chooser.value = run;
}
function tellState(state) {
  const place = root.querySelector("[data-state]");
  place.hidden = !state;
  place.textContent = state || "";
  place.dataset.state = state || "";
}
async function look() {
  const run = address().run ?? "";
  const answer = await call("shell_look", { run });
  if (!answer) return;
  fillChooser(answer.runs);
  const welcome = part("welcome");
  welcome.hidden = !answer.welcome;
  document.documentElement.classList.toggle("dra-no-runs", Boolean(answer.welcome));
  if (answer.welcome && welcome.innerHTML !== answer.welcome) welcome.innerHTML = answer.welcome;
  if (!run && answer.runs.length) return go(pageOf(new URLSearchParams(location.search)), { run: answer.runs[0] });
  if (answer.gone) say(answer.gone);
  tellState(answer.state);
  const changed = stamp && stamp.run === run && stamp.stamp !== answer.stamp;
  stamp = { run, stamp: answer.stamp };
  if (changed) dispatchEvent(new CustomEvent("dra-live", { detail: stamp }));
}
async function follow() {
  const pause = Math.min(LONGEST_PAUSE, Math.max(PAUSE, PAUSES * (window.draAnswers || 0)));
  window.draAnswers = 0;
  if (!document.hidden && address().still !== "1") await look();
  setTimeout(follow, pause);
}
root.addEventListener("click", (event) => {
  const found = (selector) => event.target.closest(selector);
  const link = found("a[data-page]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    return go(link.dataset.page);
  }
  if (found("[data-live]")) {
    writeAddress({ still: address().still === "1" ? "" : "1" });
    show();
    if (address().still !== "1") look();
  }
  if (found("[data-theme]")) {
    const dark = !document.body.classList.contains("dark");
    document.body.classList.toggle("dark", dark);
    writeAddress({ __theme: dark ? "dark" : "light" });
    dispatchEvent(new Event("dra-theme"));
  }
  return undefined;
});
chooser.addEventListener("change", () => go(pageOf(new URLSearchParams(location.search)), { run: chooser.value }));
addEventListener("dra-go", (event) => go(event.detail.page, event.detail.changes || {}));
document.addEventListener("click", () => document.getElementById("dra-first")?.remove(), { once: true });
addEventListener("popstate", () => {
  show();
  look();
});
show();
look().then(() => {
  setTimeout(follow, PAUSE);
});
setTimeout(() => document.getElementById("dra-first")?.remove(), 8000); // whatever the page met
