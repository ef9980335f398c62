// The Search page: the form is in the address, so that a search can be linked and comes back on a reload.
import { address, go } from "./page.js";

export default function search(page) {
  const { root } = page;
  const form = root.querySelector("[data-form]");
  function show() {
    for (const field of form.elements) {
      if (!field.name) continue;
      if (field.type === "checkbox") field.checked = page.now[field.name] === "1";
      else field.value = field.name === "mode" && page.now.mode === "train" ? "" : page.now[field.name] ?? "";
    }
    ask();
  }
  function ask() {
    page.ask("show", { ...page.now }, (answer) => {
      page.fill(answer.parts);
      if (page.now.q && !answer.error) page.later("count", page.newest());
    });
    setTimeout(() => {
      if (page.isAsking && page.now.q) page.fill({ hits: '<p class="dra-empty" data-until-answered>Searching … the texts of the whole run are read.</p>' });
    }, 400);
  }
  function submit(changes = {}) {
    for (const field of form.elements) if (field.name) page.now[field.name] = field.type === "checkbox" ? (field.checked ? "1" : "") : field.value;
    Object.assign(page.now, { offset: "" }, changes);
    page.write(true);
    ask();
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  form.addEventListener("change", (event) => {
    if (event.target.name !== "q" && form.elements.q.value) submit();
  });
  page.onClick({
    "[data-offset]": (button) => {
      submit({ offset: button.dataset.offset });
      scrollTo({ top: 0 });
    },
    "[data-hit]": ({ dataset: { step, mode, batch, group, completion } }) => go("groups", { run: address().run, step, mode, batch, group, completion, find: page.now.q, pair: "" }),
  });
  return { show, grown() {} }; // a page of hits stays as it is until the next search
}
