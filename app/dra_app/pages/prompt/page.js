// The Prompt page: the curves first, then the small groups, then the differences of two steps.
import { go, painted } from "./page.js";

export default function prompt(page) {
  const { root, part } = page;
  const show = () => request();
  function request(changes = {}, since = performance.now()) {
    const { find, ...kept } = changes;
    const isOther = "prompt" in kept || find !== undefined;
    Object.assign(page.now, kept);
    if (Object.keys(kept).length) page.write(true);
    page.ask("show", { ...page.now, find: find || "" }, (answer, isNewest) => {
      page.fill(answer.parts);
      if (!isNewest) return;
      Object.assign(page.now, answer.state || {});
      page.write();
      if (page.now.prompt) follow(isOther || !part("thumbs").innerHTML);
    }, since);
  }
  // While the run is written: the curves and the list go on; what is typed, compared or has the focus stays.
  async function grown() {
    const before = JSON.stringify(page.now);
    const answer = await page.call("show", { ...page.now }, true);
    const isSame = !answer?.parts || answer.parts.prompt === part("prompt").filled;
    if (isSame || answer.error || page.running || before !== JSON.stringify(page.now)) return;
    page.fill(answer.parts);
    if (!page.now.prompt) return;
    const isComparedAnew = answer.state.between !== page.now.between;
    Object.assign(page.now, answer.state);
    page.write();
    if (isComparedAnew) return void follow();
    const thumbs = await page.call("thumbnails", { ...page.now }, true);
    if (thumbs && !page.running) page.fill(thumbs.parts);
  }
  async function follow() {
    const mine = page.newest();
    for (const name of ["differences", "thumbnails"]) {
      await painted();
      if (!(await page.later(name, mine))) return;
    }
  }
  function choosePlace(place, since) {
    const [from, to] = (page.now.between || "0,0").split(",").map(Number);
    if (place === from || place === to) return;
    // the chosen one takes the place of the nearer of the two
    const between = Math.abs(place - from) <= Math.abs(place - to) ? [place, to] : [from, place];
    request({ between: between.join(",") }, since);
  }
  root.addEventListener("dra-point", ({ detail }) => choosePlace(detail.place));
  page.onClick({
    "[data-open]": ({ dataset: { step, batch, group } }) => go("groups", { step, batch, group, completion: "", pair: "" }),
    "[data-place]": (hit, since) => choosePlace(Number(hit.dataset.place), since),
    "[data-list]": (hit, since) => request({ prompt: "", between: "" }, since),
    "tr[data-prompt]": (row, since) => request({ prompt: row.dataset.prompt, between: "" }, since),
  });
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    const find = event.target.elements.find.value.trim();
    if (find) request({ find, prompt: "", between: "" }, event.timeStamp);
  });
  return { show, grown };
}
