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
    const drawn = await Promise.allSettled(figures.map(draw));
    drawn.filter((one) => one.status === "rejected").forEach((one) => console.error(one.reason));
    root.dataset.charts = "drawn"; // says to tests that the page is complete
  };
  document.head.append(script);
});
