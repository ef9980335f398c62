// The first drawing, and again when the page comes into view with another address; following a run while it is written.
const signature = () => KEYS.map((name) => address()[name] ?? "").join("\n");
let entered = null;
function enter() {
  if (!isShown() || !address().run) return;
  const asked = signature();
  const isShownAlready = root.dataset.drawn && asked === KEYS.map((name) => String(now[name] ?? "")).join("\n");
  if (isShownAlready || (running && asked === entered)) return;
  entered = asked;
  fromAddress();
  first();
}
function leave(page) {
  writeAddress(now);
  dispatchEvent(new CustomEvent("dra-go", { detail: { page } }));
}
new IntersectionObserver(enter).observe(root);
addEventListener("popstate", enter);
addEventListener("dra-live", (event) => {
  if (isShown() && event.detail.run === now.run) grown();
});
enter();
