// The Evaluate page: the table and the curves first, then the comparison of two rows.
export default function evaluate(page) {
  const { root } = page;
  const show = () => page.ask("show", { ...page.now }, (answer, isNewest) => {
    page.fill(answer.parts);
    if (!isNewest || !answer.state?.left) return;
    Object.assign(page.now, answer.state);
    page.write();
    page.later("pair", page.newest());
  });
  root.addEventListener("change", ({ target }) => {
    if (target.dataset.pick) page.now[target.dataset.pick] = target.value;
    else if (target.matches("[data-metric]")) page.now.metric = target.value;
    else return;
    page.write();
    show();
  });
  return { show, grown: show };
}
