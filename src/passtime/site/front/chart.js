// Lines of times by date, each with its band, drawn by uPlot.

import uPlot from "../vendor/uplot-1.6.32/uPlot.esm.js";
import { make } from "./elements.js";
import * as numbers from "./numbers.js";

const PIXELS_BETWEEN_NAMES = 15;
// Of a name's letters, slanted: downward, and beyond the last date.
const LETTER_PIXELS = 5.7;
const PIXELS_AFTER_THE_LAST = 45;

/**
 * Draws lines into an element. A line is {label, pass, dash, isHollow, points}, a point {at, name, time}: `at` is the
 * release's date, `time` has seconds and, where samples are stored, their quartiles.
 */
export function draw(element, lines, { isLog, height, label, hasNames }) {
  const dates = [...new Set(lines.flatMap(({ points }) => points.map(({ at }) => at)))].sort((one, other) => one - other);
  const names = new Map(lines.flatMap(({ points }) => points.map(({ at, name }) => [at, name])));
  const place = new Map(dates.map((at, number) => [at, number]));
  const columns = [dates];
  const series = [{}];
  const bands = [];
  for (const line of lines) {
    const [middle, low, high] = [0, 1, 2].map(() => new Array(dates.length).fill(null));
    for (const { at, time } of line.points) {
      middle[place.get(at)] = time.seconds;
      [low[place.get(at)], high[place.get(at)]] = time.quartiles ?? [null, null];
    }
    const stroke = () => colourOf(element, line.pass);
    const first = series.length;
    const edge = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true };
    series.push(
      { label: line.label, stroke, width: 2, dash: line.dash, spanGaps: true,
        points: { show: true, size: hasNames ? 7 : 5, stroke, fill: line.isHollow ? () => colourOf(element, "background") : stroke } },
      edge, edge);
    columns.push(middle, high, low);
    bands.push({ series: [first + 1, first + 2], fill: () => colourOf(element, line.pass).replace("rgb(", "rgba(").replace(")", ", 0.2)") });
  }
  const axis = { stroke: () => colourOf(element, "text"), grid: { stroke: () => colourOf(element, "line") }, ticks: { stroke: () => colourOf(element, "line") } };
  const chart = new uPlot({
    width: element.clientWidth,
    height,
    series,
    bands,
    padding: [null, hasNames ? PIXELS_AFTER_THE_LAST : null, null, null],
    legend: { show: false },
    cursor: { drag: { x: hasNames, y: false }, points: { show: false } },
    scales: { x: { time: true, range: (_, low, high) => widened(low, high) }, y: isLog ? { distr: 3 } : { range: (_, low, high) => [0, high * 1.05] } },
    axes: [
      { ...axis, space: 60 },
      { ...axis, size: 70, values: (_, values) => values.map((value) => (value === null ? "" : numbers.time(value))) },
      ...(hasNames ? [{ ...axis, scale: "x", side: 2, size: 8 + LETTER_PIXELS * Math.max(...[...names.values()].map((name) => name.length)), rotate: -60, grid: { show: false },
        splits: (self, _, low, high) => thinned(dates, low, high, self.bbox.width / devicePixelRatio),
        values: (_, splits) => splits.map((at) => names.get(at)) }] : []),
    ],
    plugins: [tooltip(lines)],
  }, columns, element);
  chart.root.setAttribute("role", "img");
  chart.root.setAttribute("aria-label", label);
  const resized = new ResizeObserver(() => {
    if (!element.isConnected) resized.disconnect(), chart.destroy();
    else if (element.clientWidth && element.clientWidth !== chart.width) chart.setSize({ width: element.clientWidth, height });
  });
  resized.observe(element);
}

/** A margin for the points at both ends. */
function widened(low, high) {
  const margin = (high - low) * 0.03 || 15 * 86400;
  return [low - margin, high + margin];
}

/** As many of the dates as have room for a name, from the newest on. */
function thinned(dates, low, high, width) {
  const gap = ((high - low) / width) * PIXELS_BETWEEN_NAMES;
  const kept = [];
  for (const at of dates.filter((at) => at >= low && at <= high).reverse()) {
    if (!kept.length || kept[0] - at >= gap) kept.unshift(at);
  }
  return kept;
}

function colourOf(element, name) {
  return getComputedStyle(element).getPropertyValue(`--${name}`).trim();
}

/** The values under the pointer. */
function tooltip(lines) {
  const box = make("div", { class: "tooltip", hidden: true });
  return { hooks: {
    init: (chart) => chart.over.append(box),
    setCursor: (chart) => {
      const { idx, left, top } = chart.cursor;
      const at = idx === null || idx === undefined || left < 0 ? null : chart.data[0][idx];
      const found = at === null ? [] : lines.flatMap((line) => line.points.filter((point) => point.at === at).map((point) => ({ line, point })));
      box.hidden = !found.length;
      if (box.hidden) return;
      const date = new Date(at * 1000).toISOString().slice(0, 10);
      box.replaceChildren(make("b", {}, found[0].point.name), ` ${date}`,
        ...found.map(({ line, point }) => make("div", {}, `${line.label}: ${numbers.timeWithSpread(point.time)}`)));
      const isRight = left > chart.over.clientWidth / 2;
      box.style.left = isRight ? "auto" : `${left + 12}px`;
      box.style.right = isRight ? `${chart.over.clientWidth - left + 12}px` : "auto";
      box.style.top = `${Math.min(top, chart.over.clientHeight - box.offsetHeight)}px`;
    },
  } };
}
