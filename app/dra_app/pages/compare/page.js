// The Compare page: the curves first, then the prompts of the first two runs, then the chosen prompt side by side.
import { go } from "./page.js";

export default function compare(page) {
  const { root, part, all } = page;
  const smooth = root.querySelector("[data-smooth]");
  const join = root.querySelector("[data-join]");
  function show() {
    smooth.value = page.now.smooth;
    join.checked = page.now.join === "1";
    page.ask("show", { ...page.now }, draw);
  }
  function draw(answer, isNewest) {
    page.fill(answer.parts);
    if (!isNewest || !answer.state?.run) return;
    Object.assign(page.now, answer.state);
    page.write();
    const mine = page.newest();
    page.later("prompts", mine);
    page.later("prompt", mine);
  }
  function change(changes, isStep = false) {
    Object.assign(page.now, changes);
    page.write(isStep);
    show();
  }
  function choosePrompt(row) {
    Object.assign(page.now, { prompt: row.dataset.prompt, step: "" });
    all("tr[data-prompt]").forEach((other) => other.classList.toggle("chosen", other === row));
    page.write();
    page.ask("prompt", { ...page.now }, (answer) => {
      page.fill(answer.parts);
      part("prompt").scrollIntoView({ block: "nearest", behavior: "smooth" });
    });
  }
  const others = () => (page.now.other || "").split(",").filter(Boolean);
  root.addEventListener("change", ({ target }) => {
    if (target === smooth) change({ smooth: smooth.value });
    if (target === join) change({ join: join.checked ? "1" : "" });
    if (target.matches("[data-add]") && target.value) {
      const added = target.value === "*" ? [...target.options].map((option) => option.value).filter((name) => name && name !== "*") : [target.value];
      change({ other: [...others(), ...added].join(","), prompt: "", step: "" }, true);
    }
  });
  root.addEventListener("dra-point", ({ detail }) => go("groups", { run: detail.of, step: detail.step, mode: "", batch: "", group: "", completion: "" }));
  root.addEventListener("dra-span", ({ detail }) => change({ from: detail.low, to: detail.high }));
  page.onClick({
    "[data-leave]": (hit) => change({ other: others().filter((name) => name !== hit.dataset.leave).join(","), prompt: "", step: "" }, true),
    "tr[data-prompt]": choosePrompt,
    "[data-open]": ({ dataset: { open, step, batch, group } }) => go("groups", { run: open, step, batch, group, mode: "", completion: "" }),
  });
  return { show, grown: show };
}
