// The Search page: the form is in the address, so that a search can be linked and comes back on a reload.
const KEYS = ["run", "mode", "q", "regex", "case", "correct", "steps", "where", "offset"];
const form = root.querySelector("[data-form]");
let now = {};
function fromAddress() {
  const found = address();
  now = Object.fromEntries(KEYS.map((name) => [name, found[name] ?? ""]));
  for (const field of form.elements) {
    if (!field.name) continue;
    if (field.type === "checkbox") field.checked = now[field.name] === "1";
    else field.value = field.name === "mode" && now.mode === "train" ? "" : now[field.name] ?? "";
  }
}
const first = () => refresh();
function grown() {} // a page of hits stays as it is until the next search
function refresh() {
  ask("search_show", { ...now }, (answer) => fill(answer.parts));
  setTimeout(() => {
    if (running && now.q) part("hits").innerHTML = '<p class="dra-empty">Searching … the texts of the whole run are read.</p>';
  }, 400);
}
function submit(changes = {}) {
  const given = new FormData(form);
  for (const name of KEYS) if (name !== "run") now[name] = String(given.get(name) ?? "");
  Object.assign(now, { offset: "" }, changes);
  const next = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(now)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  if (next.toString() !== location.search.slice(1)) history.pushState(null, "", `?${next}`);
  refresh();
}
form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
form.addEventListener("change", (event) => {
  if (event.target.name !== "q" && form.elements.q.value) submit();
});
root.addEventListener("click", (event) => {
  const page = event.target.closest("[data-offset]");
  if (page) {
    submit({ offset: page.dataset.offset });
    return scrollTo({ top: 0 });
  }
  const hit = event.target.closest("[data-hit]");
  if (hit && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    const { step, mode, batch, group } = hit.dataset;
    dispatchEvent(new CustomEvent("dra-go", { detail: { page: "groups", changes: { step, mode, batch, group } } }));
  }
  return undefined;
});
