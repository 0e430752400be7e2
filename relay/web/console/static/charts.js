"use strict";
// Draws what is in data-series: times, and a list of numbers for each name.

function colours() {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  return isDark
    ? ["#e7e5e4", "#86efac", "#fca5a5", "#fde047", "#93c5fd", "#d8b4fe"]
    : ["#44403c", "#15803d", "#b91c1c", "#a16207", "#1d4ed8", "#7e22ce"];
}

function draw(box) {
  const style = getComputedStyle(document.body);
  const grid = getComputedStyle(document.documentElement).getPropertyValue("--line").trim();
  const axis = { stroke: style.color, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid } };
  const inks = colours();
  const series = box.dataset.names.split("|").map((label, place) => ({
    label, stroke: inks[place], width: 2, points: { show: false }, show: place < 4,
  }));
  const size = () => ({ width: box.clientWidth, height: 280 });
  const chart = new uPlot(
    { ...size(), series: [{ label: box.dataset.time }, ...series], axes: [axis, axis], cursor: { y: false } },
    JSON.parse(box.dataset.series), box,
  );
  addEventListener("resize", () => chart.setSize(size()));
}

for (const box of document.querySelectorAll("[data-series]")) { draw(box); }
