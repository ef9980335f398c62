// The Groups page: what a click, a key or the slider asks for, and where the answer goes.
import { copy, go, makeSteps, painted } from "./page.js";

export default function groups(page) {
  const { root, part, all } = page;
  const steps = makeSteps(page, (step, since, isTyped) => request("step", { step, pair: "", completion: "" }, since, isTyped));

  function request(want, changes = {}, since = performance.now(), isStep = false) {
    Object.assign(page.now, changes);
    page.write(isStep);
    const wanted = want === "view" && !root.querySelector(".dra-card") ? "step" : want; // there is no group to keep
    page.ask("show", { ...page.now, want: wanted }, draw, since);
  }
  function draw(answer, isNewest) {
    page.fill(answer.parts);
    if (answer.steps) steps.set(answer.steps);
    if (isNewest && answer.state) Object.assign(page.now, answer.state);
    if (isNewest) tell();
    if (answer.late !== undefined) addRows(answer.late);
    if (answer.parts?.cards !== undefined) drawTexts();
    if (answer.parts?.reader) markFound();
  }
  async function addRows(html) {
    const body = root.querySelector("table.dra-groups tbody");
    await painted(); // what the reader looks at first
    await new Promise((done) => setTimeout(done, 30));
    if (!body?.isConnected || !html) return;
    body.insertAdjacentHTML("beforeend", html);
    choose();
  }
  function tell() {
    steps.tell();
    all("[data-mode]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.mode === (page.now.mode || "train"))));
    root.querySelector("[data-newest]").setAttribute("aria-pressed", String(page.now.newest === "1"));
    part("cards").hidden = String(page.now.completion ?? "") !== "";
    choose();
    page.write();
  }
  const rows = () => all("table.dra-groups tbody tr");
  const isChosen = (row) => row.dataset.batch === String(page.now.batch || 0) && row.dataset.group === String(page.now.group || 0);
  function choose() {
    for (const row of rows()) {
      const chosen = isChosen(row);
      row.classList.toggle("chosen", chosen);
      row.toggleAttribute("aria-selected", chosen);
      if (!chosen) continue;
      const box = row.closest(".dra-scroll");
      const top = row.offsetTop - 40;
      if (top < box.scrollTop || row.offsetTop + row.offsetHeight > box.scrollTop + box.clientHeight) {
        box.scrollTop = Math.max(0, top - box.clientHeight / 2);
      }
    }
  }
  function showGroup(row, since, isStep = false) {
    if (!row) return;
    request("group", { batch: row.dataset.batch, group: row.dataset.group, pair: "", completion: "" }, since, isStep);
    choose();
  }
  function moveGroup(by, since) {
    const at = rows().findIndex(isChosen);
    showGroup(rows()[at < 0 ? 0 : at + by], since);
  }

  // ---- one completion alone, and two beside each other ----
  function readOne(i, since, isStep = true) {
    page.now.completion = i;
    page.now.pair = "";
    page.write(isStep);
    page.ask("completion", { ...page.now }, (answer, isNewest) => {
      page.fill({ pair: "", ...answer.parts });
      part("cards").hidden = true;
      if (!isNewest) return;
      part("reader").querySelector("h4").focus({ preventScroll: true });
      part("group").scrollIntoView({ block: "nearest" });
      markFound();
    }, since);
  }
  function moveReader(by) {
    const button = [...part("reader").querySelectorAll("header > button")].filter((each) => each.title.startsWith(by > 0 ? "next" : "previous"))[0];
    if (button?.dataset.read) readOne(button.dataset.read, performance.now(), false);
    else if (!button) {
      const first = root.querySelector(".dra-cards [data-read]");
      if (first) readOne(first.dataset.read);
    }
  }
  function closeReader() {
    Object.assign(page.now, { completion: "", find: "" });
    page.write(true);
    page.fill({ reader: "" });
    part("cards").hidden = false;
    CSS.highlights?.delete("dra-find");
  }
  function comparePair(i, j, since) {
    page.now.pair = `${i},${j}`;
    page.write(true);
    page.ask("compare", { ...page.now }, (answer) => {
      page.fill(answer.parts);
      part("pair").scrollIntoView({ block: "nearest" });
    }, since);
  }
  let first = null; // the completion that waits for another to be compared with
  function chooseForPair(button, since) {
    const i = button.dataset.compare;
    if (first === null) {
      first = i;
      button.textContent = "with …";
      return;
    }
    const other = first;
    first = null;
    all("[data-compare]").forEach((each) => (each.textContent = "compare"));
    if (other !== i) comparePair(other, i, since);
  }
  function closePair() {
    if (!part("pair").innerHTML) return page.now.completion === "" ? undefined : closeReader();
    page.fill({ pair: "" });
    page.now.pair = "";
    return page.write();
  }
  function markFound() {
    CSS.highlights?.delete("dra-find");
    const wanted = (page.now.find || "").toLowerCase();
    const place = part("reader");
    if (!wanted || !place.innerHTML || !window.Highlight) return;
    const ranges = [];
    const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode.data.toLowerCase();
      for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
        const range = new Range();
        range.setStart(walker.currentNode, at);
        range.setEnd(walker.currentNode, at + wanted.length);
        ranges.push(range);
      }
    }
    if (!ranges.length) return;
    CSS.highlights.set("dra-find", new Highlight(...ranges));
    const [element] = ranges.map((range) => range.startContainer.parentElement);
    element.closest("details")?.setAttribute("open", "");
    element.scrollIntoView({ block: "center" });
  }

  // ---- texts: as they were written, or with Markdown and formulas drawn ----
  const wantsDrawn = () => sessionStorage.getItem("dra-drawn") !== "off";
  async function drawTexts() {
    const place = part("cards").querySelector(".dra-cards");
    const button = root.querySelector("[data-draw]");
    if (!place || !button) return;
    button.setAttribute("aria-pressed", String(wantsDrawn()));
    button.textContent = wantsDrawn() ? "drawn" : "as written";
    if (!wantsDrawn()) {
      place.querySelectorAll(".dra-drawn").forEach((text) => {
        text.classList.remove("dra-drawn");
        text.textContent = text.written;
      });
      return;
    }
    const asked = JSON.stringify(page.now);
    await painted();
    await new Promise((done) => setTimeout(done, 150));
    if (!place.isConnected || part("cards").hidden || page.running) return;
    const answer = await page.call("drawn", { ...page.now });
    if (!answer?.drawn || !wantsDrawn() || !place.isConnected || asked !== JSON.stringify(page.now)) return;
    for (const card of place.querySelectorAll(".dra-card")) {
      for (const text of card.querySelectorAll("[data-text]:not(.dra-drawn)")) {
        const html = answer.drawn[card.dataset.i]?.[text.dataset.text];
        if (html === undefined || text.isWhole) continue;
        text.written = text.textContent;
        text.innerHTML = html; // made by the server, which lets nothing of a text become markup
        text.classList.add("dra-drawn");
      }
    }
  }
  async function showRaw(button) {
    const card = button.closest("[data-i]");
    const raw = card.querySelector(".raw");
    const isOn = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isOn));
    card.classList.toggle("is-raw", isOn);
    raw.hidden = !isOn;
    if (isOn && !raw.textContent) await appendText(raw, "raw", button.dataset.raw, 0);
  }
  async function showWhole(button) {
    const place = button.previousElementSibling;
    place.replaceChildren();
    place.classList.remove("dra-drawn");
    place.isWhole = true;
    await appendText(place, button.dataset.whole, button.dataset.of, 0);
    button.remove();
  }
  async function appendText(place, name, of, start) {
    const answer = await page.call("text", { ...page.now, part: name, of, start });
    if (!answer || answer.error) return;
    place.append(document.createTextNode(answer.text));
    if (answer.next === null) return;
    const more = Object.assign(document.createElement("button"), { type: "button", className: "dra-quiet" });
    more.textContent = `show more (${answer.next.toLocaleString("en")} of ${answer.characters.toLocaleString("en")} characters shown)`;
    more.addEventListener("click", () => {
      more.remove();
      appendText(place, name, of, answer.next);
    });
    place.append(more);
  }
  async function copyText(button) {
    let [text, start] = ["", 0];
    while (start !== null) {
      const answer = await page.call("text", { ...page.now, part: "raw", of: page.now.completion, start });
      if (!answer || answer.error) return;
      text += answer.text;
      start = answer.next;
    }
    copy(button, text);
  }

  root.addEventListener("dra-cell", ({ detail }) => comparePair(detail.i, detail.j, detail.since));
  root.addEventListener("change", ({ target, timeStamp }) => {
    if (target.matches("[data-beside]") && target.value) comparePair(page.now.completion, target.value, timeStamp);
  });
  root.addEventListener("scroll", ({ target }) => { // two texts side by side scroll together
    const both = target.closest?.("[data-scrolls-together]");
    if (!both) return;
    const share = target.scrollTop / Math.max(1, target.scrollHeight - target.clientHeight);
    for (const other of both.querySelectorAll(".dra-text")) {
      const top = Math.round(share * (other.scrollHeight - other.clientHeight));
      if (other !== target && Math.abs(other.scrollTop - top) > 2) other.scrollTop = top;
    }
  }, true);
  page.onClick({
    "[data-by]": (hit, since) => steps.move(Number(hit.dataset.by), since),
    "[data-newest]": (hit, since) => {
      page.now.newest = page.now.newest === "1" ? "" : "1";
      if (page.now.newest && steps.last() !== Number(page.now.step)) request("step", { step: steps.last(), completion: "", pair: "" }, since);
      else tell();
    },
    "[data-mode]": (hit, since) => request("step", { mode: hit.dataset.mode, batch: "", group: "", pair: "", completion: "" }, since, true),
    "[data-mark]": (hit, since) => toggleMark(hit.dataset.mark, since),
    "[data-clear]": (hit, since) => request("view", { marks: "" }, since),
    "[data-sort]": (hit, since) => sortBy(hit.dataset.sort, since),
    "table.dra-groups tbody tr": (hit, since) => showGroup(hit, since, true),
    "[data-stretch]": (hit, since) => request("group", { stretch: page.now.stretch === "1" ? "" : "1" }, since),
    "[data-raw]": showRaw,
    "[data-whole]": showWhole,
    "[data-draw]": () => {
      sessionStorage.setItem("dra-drawn", wantsDrawn() ? "off" : "on");
      drawTexts();
    },
    "[data-copy-text]": copyText,
    "[data-compare]": chooseForPair,
    "[data-beside-of]": (hit, since) => comparePair(page.now.completion, hit.dataset.besideOf, since),
    "[data-close]": closePair,
    "[data-all]": closeReader,
    "[data-read]": (hit, since) => readOne(hit.dataset.read, since, !part("reader").innerHTML),
    "a[data-page]": (hit) => go(hit.dataset.page, hit.dataset.page === "prompt" ? { prompt: rows().find(isChosen)?.dataset.prompt, between: "" } : {}),
  });
  function toggleMark(mark, since) {
    const marks = new Set((page.now.marks || "").split(",").filter(Boolean));
    if (!marks.delete(mark)) marks.add(mark);
    request("view", { marks: [...marks].join(",") }, since);
  }
  function sortBy(name, since) {
    const again = (page.now.sort || "group_index") === name;
    const descending = again ? page.now.descending !== "1" : name !== "group_index";
    request("view", { sort: name, descending: descending ? "1" : "" }, since);
  }
  page.onKeys({
    j: (event) => moveGroup(1, event.timeStamp),
    k: (event) => moveGroup(-1, event.timeStamp),
    ArrowDown: (event) => moveGroup(1, event.timeStamp),
    ArrowUp: (event) => moveGroup(-1, event.timeStamp),
    n: () => moveReader(1),
    b: () => moveReader(-1),
    c: () => part("reader").querySelector("[data-beside-of]")?.click(),
    "?": () => root.querySelector(".dra-help").toggleAttribute("open"),
    Escape: closePair,
  });
  const show = () => request("step");
  // While the run is written: the slider reaches further, the reader stays where he is, or goes to the newest step.
  async function grown() {
    if ((await steps.grow(show)) && page.now.newest === "1" && steps.last() !== Number(page.now.step)) request("step", { step: steps.last(), completion: "", pair: "" });
  }
  return { show, grown };
}
