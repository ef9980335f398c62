// What the pages share: asking the server, the address, parts of the page, following, keys.
import { hideTip } from "./figures.js";

export const address = () => Object.fromEntries(new URLSearchParams(location.search));
export const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
// Give the focus to what took the place of the element that had it: a reader goes on with the keyboard.
function keepFocus(place, data) {
  const next = [...place.querySelectorAll("[data-key], [tabindex], button, a, select, input")].find((each) => JSON.stringify(each.dataset) === data);
  next?.focus({ preventScroll: true });
}
// No answer is drawn while a button of the mouse is held down: what it was pressed on must not move away before it is released.
let released = null;
addEventListener("pointerdown", () => {
  const ends = (name) => new Promise((done) => addEventListener(name, () => setTimeout(done), { once: true, capture: true }));
  released = Promise.race(["pointerup", "pointercancel"].map(ends));
}, true);
let answering = 0; // milliseconds that answers took since they were last looked at: what following goes by
export function takeAnswering() {
  const taken = answering;
  answering = 0;
  return taken;
}

// Write into the address. A place that was gone to by a click is one that "back" comes back from (`isStep`).
export function writeAddress(changes, isStep = false) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") query.delete(name);
    else query.set(name, value);
  }
  const written = query.toString().replaceAll("%2C", ",");
  if (written === location.search.slice(1)) return;
  history[isStep ? "pushState" : "replaceState"](null, "", `?${written}${location.hash}`);
  dispatchEvent(new Event("dra-address"));
}
export const go = (page, changes = {}) => dispatchEvent(new CustomEvent("dra-go", { detail: { page, changes } }));

export async function question(page, name, params) {
  const asked = performance.now();
  const answer = await fetch(`dra/ask/${page}/${name}`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(params),
  });
  if (answer.status === 401) location.reload(); // the server was started anew, or the password is asked for again
  if (!answer.ok) throw new Error(`${answer.status}`);
  const found = await answer.json();
  answering += performance.now() - asked;
  await released;
  return found;
}

// A page: `root` is its element, `name` what it is called, `keys` what of the address it shows, `rest` is done after answers.
export function makePage(root, name, keys, rest) {
  const part = (which) => root.querySelector(`[data-part="${which}"]`);
  const all = (selector, within = root) => [...within.querySelectorAll(selector)];
  const isShown = () => !root.closest("main").hidden;
  const page = { root, name, part, all, isShown, now: {}, running: false, isAsking: false, isBehind: false };

  page.read = () => {
    const found = address();
    page.now = Object.fromEntries(["run", ...keys].map((key) => [key, found[key] ?? ""]));
  };
  page.isAsAddressed = () => {
    const found = address();
    return ["run", ...keys].every((key) => String(page.now[key] ?? "") === (found[key] ?? ""));
  };
  page.write = (isStep = false) => writeAddress(page.now, isStep);

  // ---- asking: one question at a time, of those that wait only the newest ----
  let waiting = null;
  let drawn = 0;
  page.ask = (which, params, draw, since = performance.now()) => {
    waiting = { which, params, draw, since };
    if (!page.running) work();
  };
  async function work() {
    page.running = true;
    root.setAttribute("aria-busy", "true");
    while (waiting) {
      const { which, params, draw, since } = waiting;
      waiting = null;
      page.isAsking = true;
      const answer = await page.call(which, params);
      page.isAsking = false;
      if (answer && !answer.error) page.say("");
      if (answer && (answer.parts || !answer.error)) draw(answer, waiting === null);
      else all("[data-until-answered]").forEach((note) => note.closest("[data-part]").replaceChildren());
      await painted();
      root.dataset.milliseconds = (performance.now() - since).toFixed(1);
      root.dataset.drawn = String(++drawn);
    }
    root.removeAttribute("aria-busy");
    page.running = false;
    rest();
  }
  page.call = async (which, params, isFollowing = false) => {
    try {
      const answer = await question(name, which, params);
      page.isBehind ||= isFollowing && page.running; // what comes in the middle of a question is asked for again after it
      // What was told of the address stays until the page is asked for anew: a further question does not take it back.
      if (answer.error || (isFollowing && wasFollowing)) page.say(answer.error || "", isFollowing);
      return answer;
    } catch {
      page.say("The server does not answer. Is dra app still running?", isFollowing);
      return null;
    }
  };
  let wasFollowing = false; // following a run takes back what it said itself, not what the reader was told
  page.say = (text, isFollowing = false) => {
    wasFollowing = isFollowing;
    const place = part("message");
    place.textContent = text;
    place.hidden = !text;
  };
  // Ask for more after the answer that is shown; what comes too late for it is dropped.
  let latest = 0;
  page.newest = () => ++latest;
  page.later = async (which, mine, params = page.now) => {
    const answer = await page.call(which, { ...params });
    if (answer && !answer.error && mine === latest) page.fill(answer.parts);
    return mine === latest ? answer : null;
  };
  page.fill = (parts) => {
    hideTip();
    for (const [which, html] of Object.entries(parts || {})) {
      const place = part(which);
      if (!place || (place.filled === html && place.hasChildNodes())) continue; // the same: what the reader unfolded, chose or scrolled in it stays
      const focused = place.contains(document.activeElement) ? { ...document.activeElement.dataset } : {};
      place.innerHTML = html; // made by the server, which escapes every text that it did not write itself
      place.filled = html;
      if (Object.keys(focused).length) keepFocus(place, JSON.stringify(focused));
    }
  };

  // ---- keys, where no field is being filled in ----
  page.onKeys = (actions) => {
    document.addEventListener("keydown", (event) => {
      if (!isShown() || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest("input, select, textarea, summary, [contenteditable], dialog[open]")) return;
      const action = actions[event.key];
      if (!action) return;
      event.preventDefault();
      action(event);
    });
  };
  // Do what the first selector that matches a click says; links opened elsewhere are left to the browser.
  page.onClick = (actions) => {
    root.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      for (const [selector, action] of Object.entries(actions)) {
        const hit = event.target.closest(selector);
        if (!hit || hit === root || !root.contains(hit)) continue;
        if (hit.tagName === "A") event.preventDefault();
        action(hit, event.timeStamp, event);
        return;
      }
    });
  };
  // A row of a table that can be clicked can be reached and chosen with the keyboard too.
  root.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr[tabindex], [role=button][tabindex]");
    if (row && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      row.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    }
  });
  // The numbers of a figure that came without them.
  root.addEventListener("dra-csv", async ({ detail }) => {
    detail.answered((await page.call("csv", { ...page.now, figure: detail.figure }))?.csv ?? null);
  });
  return page;
}

// The steps of a run: a slider, a field to type in, keys. `to` is called with a step and when it was asked for.
export function makeSteps(page, to) {
  const { root } = page;
  const slider = root.querySelector("[data-slider]");
  const field = root.querySelector("[data-step-field]");
  const steps = { list: [] };
  const at = () => steps.list.indexOf(Number(page.now.step));
  steps.set = (span) => {
    steps.list = span.list ?? Array.from({ length: span.last - span.first + 1 }, (_, i) => span.first + i);
  };
  steps.last = () => steps.list[steps.list.length - 1];
  steps.tell = () => {
    slider.max = Math.max(0, steps.list.length - 1);
    slider.value = Math.max(0, at());
    slider.disabled = steps.list.length < 2;
    slider.setAttribute("aria-valuetext", `step ${page.now.step}`);
    if (document.activeElement !== field) field.value = page.now.step;
    root.querySelector("[data-step-of]").textContent = steps.list.length ? `of ${steps.last()}` : "–";
  };
  steps.move = (by, since) => steps.list[at() + by] !== undefined && to(steps.list[at() + by], since);
  slider.addEventListener("input", (event) => {
    const step = steps.list[Number(slider.value)];
    if (step !== undefined && step !== Number(page.now.step)) to(step, event.timeStamp);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !/^\d+$/.test(field.value.trim())) return;
    field.blur();
    to(Number(field.value), event.timeStamp, true);
  });
  // While the run is written the slider reaches further; what is shown stays. Without a step before, `show` is called.
  steps.grow = async (show) => {
    const answer = await page.call("recorded_steps", { ...page.now }, true);
    if (!answer?.steps || page.running) return false;
    if (!steps.list.length) return void show();
    steps.set(answer.steps);
    steps.tell();
    return true;
  };
  const by = (count) => ({ timeStamp }) => steps.move(count, timeStamp);
  page.onKeys({ ArrowRight: by(1), ArrowLeft: by(-1), l: by(1), h: by(-1) });
  return steps;
}

export async function copy(button, text) {
  const said = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
  } catch { // no clipboard without https: a field from which it can be copied by hand
    const area = Object.assign(document.createElement("textarea"), { value: text });
    button.after(area);
    area.select();
    button.textContent = document.execCommand("copy") ? "copied" : "cannot copy";
    area.remove();
  }
  setTimeout(() => (button.textContent = said), 1500);
}
