// Plotly's figures: loaded once for all pages, drawn in place, saved with their title.
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: "reset+autosize", scrollZoom: false };
const isDark = () => document.body.classList.contains("dark");
const idle = () => new Promise((done) => requestIdleCallback(done, { timeout: 1_000 }));
function plotly() {
  window.draPlotly ??= new Promise(async (done, failed) => {
    await painted();
    await idle(); // it takes a second of a slow machine: what the reader does first comes first
    const script = document.createElement("script");
    script.src = new URL(props.plotly_js, document.baseURI).href;
    script.onload = () => done(window.Plotly);
    script.onerror = failed;
    document.head.append(script);
  });
  return window.draPlotly;
}
function fillFrames(name, html) {
  const place = part(name);
  if (place.dataset.filled === html) return; // the same frames: what is drawn in them stays
  place.innerHTML = html;
  place.dataset.filled = html;
}
function showPreviews(previews) {
  for (const [key, svg] of Object.entries(previews || {})) {
    const place = root.querySelector(`[data-figure="${key}"] [data-plot]`);
    if (place && !place.dataset.drawn) place.innerHTML = svg;
  }
}
async function drawPlots(figures, onPoint) {
  const Plotly = await plotly();
  for (const [key, figure] of Object.entries(figures || {})) {
    const place = root.querySelector(`[data-figure="${key}"] [data-plot]`);
    if (!place) continue;
    if (!place.dataset.drawn) place.replaceChildren();
    await Plotly.react(place, figure.data, figure.layout, CONFIG);
    if (!place.dataset.clicks && onPoint) {
      place.dataset.clicks = "1";
      place.on("plotly_click", (event) => onPoint(event.points[0], key));
    }
    place.dataset.drawn = "1";
  }
  root.dataset.plots = String(Number(root.dataset.plots || 0) + 1);
}
function resizePlots() {
  if (!window.Plotly || !isShown()) return;
  all("[data-plot][data-drawn]").forEach((place) => window.Plotly.Plots.resize(place));
}
async function savePlot(button, csv) {
  const figure = button.closest("figure");
  const kind = button.dataset.plotSave;
  const name = figure.dataset.name;
  if (kind === "csv") {
    const answer = await csv(figure.dataset.figure);
    if (answer && !answer.error) download(new Blob([answer.csv], { type: "text/csv" }), `${name}.csv`);
    return;
  }
  const place = figure.querySelector("[data-plot]");
  const ink = getComputedStyle(root).color;
  const layout = {
    ...place.layout, width: 900, height: 480, autosize: false, paper_bgcolor: getComputedStyle(document.body).backgroundColor,
    title: { text: figure.querySelector("figcaption b").innerHTML, x: 0.02, xanchor: "left", font: { size: 18, color: ink } },
    margin: { l: 70, r: 20, t: 60, b: 60 }, showlegend: place.data.length > 1,
    legend: { orientation: "h", x: 1, xanchor: "right", y: 1.1 },
  };
  const address = await window.Plotly.toImage({ data: place.data, layout }, { format: kind, width: 900, height: 480, scale: kind === "png" ? 2 : 1 });
  const content = address.slice(address.indexOf(",") + 1);
  const image = kind === "svg" ? decodeURIComponent(content) : Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  download(new Blob([image], { type: kind === "svg" ? "image/svg+xml" : "image/png" }), `${name}.${kind}`);
}
new ResizeObserver(resizePlots).observe(root);
