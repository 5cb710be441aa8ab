// Draws the charts of a page with the Vega that the book serves, and redraws them when the theme changes.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const root = document.documentElement;
  const figures = [...document.querySelectorAll("figure.chart")];
  if (!figures.length) return;

  const isDark = () => root.dataset.theme === "dark";
  const ink = () => {
    const [text, line] = isDark() ? ["#e6e6e6", "#5f6368"] : ["#1f2328", "#c4c7ca"];
    const guide = { labelColor: text, titleColor: text, domainColor: line, tickColor: line, gridColor: line };
    return { axis: guide, legend: guide, header: guide, title: { color: text, subtitleColor: text }, text: { color: text } };
  };

  // The reader's own state of a chart: what sliders, legend clicks and selections have set.
  const stateOf = (view, spec) => {
    const names = [...JSON.stringify(spec).matchAll(/"name":"(\w+)"/g)].map((match) => match[1]);
    const own = (name) => names.some((param) => name === param || name.startsWith(`${param}_`));
    return view.getState({ signals: own, data: own });
  };

  const draw = async (figure) => {
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const drawing = figure.querySelector(".chart-drawing");
    const controls = figure.querySelector(".chart-controls");
    const state = figure.chart ? stateOf(figure.chart.view, spec) : null;
    figure.chart?.finalize();
    controls.replaceChildren();
    figure.chart = await window.vegaEmbed(drawing, spec, {
      actions: false,
      bind: controls,
      config: ink(),
      renderer: "svg",
      tooltip: { theme: isDark() ? "dark" : "light" },
    });
    if (state) await figure.chart.view.setState(state).runAsync();
  };

  const drawAll = async () => {
    for (const figure of figures) await draw(figure);
    root.dataset.charts = root.dataset.theme; // says to tests that the page is complete in this theme
  };

  const script = document.createElement("script");
  script.src = new URL(`${root.dataset.content_root}vega/vega-embed.js`, document.baseURI);
  script.onload = () => {
    let drawn = drawAll();
    let theme = root.dataset.theme;
    new MutationObserver(() => {
      if (root.dataset.theme === theme) return;
      theme = root.dataset.theme;
      drawn = drawn.then(drawAll);
    }).observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  };
  document.head.append(script);
});
