// A workload's passes over all releases of all frameworks, by date, or of one branch; or one pass of all models, a small
// chart each.

import * as address from "./address.js";
import * as data from "./data.js";
import { choice, make, named, Notes, tick } from "./elements.js";
import * as numbers from "./numbers.js";

const ALL_MODELS = "all models";
const ALL_BRANCHES = "all branches";
const DASHES = [null, [8, 5], [2, 3], [10, 4, 2, 4], [16, 4], [4, 10], [10, 4, 2, 4, 2, 4], [16, 4, 4, 4]];
const SMALL_HEIGHT = 190;
const HEIGHT = 480;

export async function show(fields, index) {
  const { machine, device } = fields;
  const measured = machine.devices[device].workloads;
  const workload = fields.workload === ALL_MODELS || measured.includes(fields.workload) ? fields.workload : preferred(measured);
  const chosen = (fields.passes ?? []).filter((pass) => index.passes.includes(pass));
  const isLog = fields.scale !== "linear";
  const others = index.machines.filter((other) => other !== machine && other.devices[device]);
  const wanted = fields.machines ?? others.filter(({ imported }) => imported).map(({ name }) => name);
  const machines = [machine, ...others.filter(({ name }) => wanted.includes(name))];
  const branches = [...new Set(index.releases.map(({ branch }) => branch))].sort((a, b) => (b === "torch") - (a === "torch"));
  const branch = branches.includes(fields.branch) ? fields.branch : ALL_BRANCHES;
  loadStyle();
  const { draw } = await import("./chart.js");
  const view = { index, device, isLog, draw, machines, machine, branches: branch === ALL_BRANCHES ? branches : [branch] };
  const passes = chosen.length ? chosen : workload === ALL_MODELS ? ["total"] : index.passes;
  const controls = make("div", { class: "choices" },
    choice("Workload", grouped(measured, index), workload, (name) => address.go({ workload: name, passes: null })),
    passTicks(passes, index, workload),
    choice("Branch", [ALL_BRANCHES, ...branches], branch, (name) => address.go({ branch: name === ALL_BRANCHES ? null : name })),
    choice("Scale", ["log", "linear"], isLog ? "log" : "linear", (name) => address.go({ scale: name })),
    others.length ? make("fieldset", {}, make("legend", {}, "Also"), others.map(({ name }) =>
      tick(name, wanted.includes(name), (isTicked) =>
        address.go({ machines: isTicked ? [...wanted, name] : wanted.filter((other) => other !== name).concat(wanted.length === 1 ? "none" : []) })))) : null);
  const shown = workload === ALL_MODELS
    ? await smallMultiples(measured.filter((name) => index.models.includes(name)), passes[0], view)
    : await one(workload, passes, view);
  return { title: `${workload} over time`, elements: [controls, ...shown.elements], drawn: shown.drawn };
}

function preferred(measured) {
  return measured.includes("resnet50") ? "resnet50" : measured[0];
}

function grouped(measured, index) {
  const groups = { models: [ALL_MODELS, ...measured.filter((name) => index.models.includes(name))] };
  const layers = measured.filter((name) => index.layers.includes(name));
  return layers.length ? { ...groups, layers } : groups;
}

/** Boxes for a chart of several passes; a choice of one for the small charts. */
function passTicks(passes, index, workload) {
  if (workload === ALL_MODELS) return choice("Pass", index.passes, passes[0], (name) => address.go({ passes: [name] }));
  return make("fieldset", {}, make("legend", {}, "Passes"), index.passes.map((pass) =>
    tick(pass, passes.includes(pass), (isTicked) => {
      const left = index.passes.filter((other) => (other === pass ? isTicked : passes.includes(other)));
      address.go({ passes: left.length === index.passes.length ? null : left });
    })));
}

async function one(workload, passes, view) {
  const lines = await linesOf(workload, passes, view);
  if (!lines.length) return nothing(workload, view);
  const place = make("div", { class: "chart" });
  return {
    elements: [make("figure", {}, make("figcaption", {}, `${workload}: time by release date; the band is the samples’ interquartile range`),
      place, legend(lines)), values(workload, lines, passes, view.index)],
    drawn: () => view.draw(place, lines, { isLog: view.isLog, height: HEIGHT, hasNames: true,
      label: `${workload}, ${passes.join(", ")}, by release date; the same numbers are in the table below` }),
  };
}

function nothing(asked, { branches, machines }) {
  return { elements: [make("p", {}, `There are no times of ${asked} on ${branches.join(", ")} of ${machines.map(({ name }) => name).join(", ")}.`)] };
}

async function smallMultiples(workloads, pass, view) {
  const found = await Promise.all(workloads.map(async (workload) => ({ workload, lines: await linesOf(workload, [pass], view) })));
  const timed = found.filter(({ lines }) => lines.length);
  if (!timed.length) return nothing(`a model’s ${pass}`, view);
  const places = timed.map(() => make("div", { class: "chart" }));
  return {
    elements: [
      make("p", { class: "legend" }, `${pass}, by release date; choose one for its passes and release names.`),
      make("div", { class: "multiples" }, timed.map(({ workload }, number) =>
        make("figure", {}, make("figcaption", {}, make("a", { href: address.to({ workload, passes: null }) }, workload)), places[number]))),
      legend(timed.map(({ lines }) => lines).toSorted((a, b) => b.length - a.length)[0] ?? []),
    ],
    drawn: () => places.forEach((place, number) =>
      view.draw(place, timed[number].lines, { isLog: view.isLog, height: SMALL_HEIGHT, hasNames: false, label: `${timed[number].workload}, ${pass}, by release date` })),
  };
}

/** A line for each pass, branch and machine: a framework's commits are beside its releases. */
async function linesOf(workload, passes, { index, device, machines, machine, branches }) {
  const having = machines.filter(({ devices }) => devices[device].workloads.includes(workload));
  const histories = await Promise.all(having.map(({ name }) => data.workload(name, workload)));
  return having.flatMap((where, number) => passes.flatMap((pass) => branches.flatMap((branch, at) => {
    const times = histories[number][device]?.[pass] ?? {};
    const points = index.releases
      .filter((release) => release.branch === branch && times[release.name])
      .map((release) => ({ at: Date.parse(release.date) / 1000, name: release.name, time: times[release.name] }));
    if (!points.length) return [];
    return [{ pass, machine: where.name, dash: DASHES[at % DASHES.length], isHollow: where !== machine, points,
              label: `${branch} ${pass}${where === machine ? "" : `, ${where.name}`}` }];
  })));
}

function legend(lines) {
  return make("ul", { class: "lines", "aria-hidden": "true" }, lines.map(({ label, pass, dash, isHollow }) => {
    const style = dash ? `height: 3px; background: ${dashes(dash, `var(--${pass})`)}` : `border-top: 3px solid var(--${pass})`;
    return make("li", {}, make("span", { class: "swatch", style }), isHollow && "○ ", label);
  }));
}

/** A line's dashes as a background: coloured and bare by turns. */
function dashes(lengths, colour) {
  let end = 0;
  const stops = lengths.map((length, number) => `${number % 2 ? "transparent" : colour} ${end}px ${(end += length)}px`);
  return `repeating-linear-gradient(90deg, ${stops.join(", ")})`;
}

/** What the chart shows, as a table. */
function values(workload, lines, passes, index) {
  const rows = new Map();
  const notes = new Notes("values");
  for (const { pass, machine, points } of lines) {
    for (const { at, name, time } of points) {
      const key = `${at} ${name} ${machine}`;
      if (!rows.has(key)) rows.set(key, { at, name, machine, times: {} });
      rows.get(key).times[pass] = time;
    }
  }
  const ordered = [...rows.values()].sort((one, other) => one.at - other.at);
  const table = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Values" }, make("table", {},
    make("caption", {}, `${workload} by release`),
    make("thead", {}, make("tr", {}, ["Release", "Date", "Machine", ...passes].map((title) => make("th", { scope: "col" }, title)))),
    make("tbody", {}, ordered.map(({ at, name, machine, times }) => make("tr", {},
      make("th", { scope: "row" }, named(name, index)),
      make("td", {}, new Date(at * 1000).toISOString().slice(0, 10)),
      make("td", {}, machine),
      passes.map((pass) => make("td", { class: "number" },
        times[pass] ? [numbers.timeWithSpread(times[pass]), (times[pass].doubts ?? []).map((doubt) => notes.cite(doubt))] : null)))))));
  return make("details", { open: true }, make("summary", {}, "The values as a table"), table, ...[notes.list()].filter(Boolean));
}

/** The chart's own style sheet, which the other views do without. */
function loadStyle() {
  const address = "vendor/uplot-1.6.32/uPlot.min.css";
  if (!document.querySelector(`link[href="${address}"]`)) document.head.append(make("link", { rel: "stylesheet", href: address }));
}
