// Draws the charts of a page with the Vega that the book serves. Their ink is set in workbench.css, so that it follows
// the page's theme while the reader's sliders and selections stay as they are.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const root = document.documentElement;
  const figures = [...document.querySelectorAll("figure.chart")];
  if (!figures.length) return;

  const draw = (figure) =>
    window.vegaEmbed(figure.querySelector(".chart-drawing"), JSON.parse(figure.querySelector("script").textContent), {
      actions: false,
      bind: figure.querySelector(".chart-controls"),
      renderer: "svg",
    });

  const script = document.createElement("script");
  script.src = new URL(`${root.dataset.content_root}vega/vega-embed.js`, document.baseURI);
  script.onload = async () => {
    for (const figure of figures) await draw(figure);
    root.dataset.charts = "drawn"; // says to tests that the page is complete
  };
  document.head.append(script);
});
