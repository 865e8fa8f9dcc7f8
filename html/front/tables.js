// The two tables, models and layers, a row for each release: as in the tables that passtime grew from.

import * as address from "./address.js";
import { change, colour, LEVEL, mean, workDiffers } from "./compare.js";
import * as data from "./data.js";
import { choice, make, named, Notes, sorter } from "./elements.js";
import { exports } from "./export.js";
import * as numbers from "./numbers.js";

const MOST_RELEASES = 6;

export async function show(fields, index) {
  const { machine, device } = fields;
  const available = machine.devices[device].releases;
  const asked = (fields.releases ?? []).filter((name) => available.includes(name));
  const names = asked.length ? asked.slice(0, MOST_RELEASES) : newest(available, index);
  const more = asked.slice(MOST_RELEASES);
  const base = names.includes(fields.base) ? fields.base : names[0];
  const releases = await Promise.all(names.map((name) => data.release(machine.name, name)));
  const frameworks = Object.fromEntries(index.releases.map(({ name, framework }) => [name, framework]));
  const branches = Object.fromEntries(index.releases.map(({ name, branch }) => [name, branch]));
  const sort = { key: fields.sort ?? "", descending: fields.descending === "yes" };
  const view = { device, index, releases, frameworks, sort, base: releases.find(({ release }) => release === base) };
  const tables = [["Models", index.models], ["Layers", index.layers]].map(([title, workloads]) => table(title, workloads, view));
  const records = tables.flatMap(({ records }) => records);
  return {
    title: `${machine.name}, ${device}`,
    elements: [
      picker(names, base, available, branches),
      more.length ? make("p", { class: "legend", role: "status" }, `A table holds ${MOST_RELEASES} releases: ${more.join(", ")} left out.`) : null,
      ...tables.flatMap(({ elements }) => elements),
      exports(records, `passtime-${machine.name}-${device}`),
      make("p", { class: "legend" },
        "± is half the interquartile range of the samples. The ratio is to the base’s time, from heats in which both took turns: under 1 is faster, blue; over 1 slower, orange. There is none where no heat connects the two. The fastest of a workload’s releases is bold. ",
        `Point at a ratio for its ${LEVEL} interval. n/a: the release or the device does not have it; empty: not measured.`),
    ].filter(Boolean),
  };
}

/** Each framework's newest release on the machine, in the order in which the frameworks appear; no commit or nightly, if it has another. */
function newest(available, index) {
  const there = index.releases.filter(({ name }) => available.includes(name));
  const frameworks = [...new Set(there.map(({ framework }) => framework))].sort((one, other) => (other === "torch") - (one === "torch"));
  return frameworks.map((framework) => {
    const its = there.filter((release) => release.framework === framework);
    return (its.findLast(({ branch }) => branch === framework) ?? its.at(-1)).name;
  });
}

function picker(names, base, available, branches) {
  const addable = {};
  for (const name of [...available].reverse()) if (!names.includes(name)) (addable[branches[name]] ??= []).push(name);
  return make("div", { class: "choices" },
    make("ul", { class: "chosen", "aria-label": "Releases" }, names.map((name) => make("li", {}, name,
      make("button", { type: "button", "aria-label": `remove ${name}`, disabled: names.length === 1,
        onclick: () => address.go({ releases: names.filter((other) => other !== name), base: name === base ? null : base }) }, "×")))),
    names.length < MOST_RELEASES && Object.keys(addable).length
      ? choice("Add", { "": ["a release …"], ...addable }, "a release …", (name) => address.go({ releases: [...names, name] }))
      : null,
    choice("Base", names, base, (name) => address.go({ base: name, releases: names })));
}

function table(title, workloads, view) {
  const { device, index, releases, base, sort } = view;
  const there = workloads.filter((workload) => releases.some(({ times }) => times[workload]?.[device]));
  if (!there.length) return { elements: [], records: [] };
  const notes = new Notes(title.toLowerCase());
  const rows = there.flatMap((workload) => releases.map((release) => row(workload, release, view)));
  const ordered = sorted(rows, sort);
  const onsort = ({ key, descending }) => address.go({ sort: key, descending: descending ? "yes" : null });
  const group = (name) => sorter(name, name, sort, onsort, { colspan: 2 });
  const head = make("thead", {}, make("tr", {},
    sorter(title.slice(0, -1), "", sort, onsort), make("th", { scope: "col" }, "Release"), index.passes.map(group)));
  let above;
  const body = make("tbody", {}, ordered.map((one) => {
    const isRepeated = one.workload === above;
    above = one.workload;
    return make("tr", { class: isRepeated ? false : "first" },
      make("th", { scope: "row", class: isRepeated ? "repeated" : false }, one.workload),
      make("td", {}, named(one.release, index), one.care ? [" ", notes.cite(one.care)] : null),
      one.cells.map((cell) => cellsOf(cell, notes)));
  }));
  return {
    elements: [
      make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
        make("table", { class: "times" }, make("caption", {}, `${title}: time, and its ratio to ${base.release}’s`), head, body,
          means(title.toLowerCase(), view))),
      notes.list(),
    ].filter(Boolean),
    records: ordered.flatMap((one) => one.cells.map((cell) => record(one, cell))),
  };
}

function row(workload, release, { device, index, releases, base, frameworks }) {
  const cells = index.passes.map((pass) => {
    const time = release.times[workload]?.[device]?.[pass];
    const isCompared = time?.seconds && release !== base;
    const others = releases.map(({ times }) => times[workload]?.[device]?.[pass]?.seconds).filter(Boolean);
    return {
      pass,
      time,
      ratio: isCompared ? change(base, release, workload, device, pass) ?? null : null,
      isBest: Boolean(time?.seconds) && others.length > 1 && time.seconds === Math.min(...others),
    };
  });
  const care = cells.some(({ time }) => time?.seconds) ? workDiffers(base, release, workload, device, frameworks) : null;
  return { workload, release: release.release, cells: care ? cells.map((cell) => ({ ...cell, ratio: null })) : cells, care };
}

function cellsOf({ time, ratio, isBest }, notes) {
  if (!time) return [make("td"), make("td")];
  if (!time.seconds) return [make("td", { class: "not-available" }, "n/a"), make("td")];
  const text = numbers.timeWithSpread(time);
  return [
    make("td", { class: "number" }, isBest ? make("b", {}, text) : text, (time.doubts ?? []).map((doubt) => notes.cite(doubt))),
    ratio
      ? make("td", { class: `number ratio ${colour(ratio.value)}`, title: interval(ratio) }, numbers.ratio(ratio.value))
      : make("td"),
  ];
}

function interval(found) {
  return `${numbers.interval(found, numbers.ratio)} (${LEVEL})`;
}

/** The geometric mean of each release's changes, as `passtime verdict` has it; nothing where there is none. */
function means(kind, { device, index, releases, base }) {
  const found = releases.filter((release) => release !== base)
    .map((release) => [release, index.passes.map((pass) => mean(base, release, device, kind, pass))])
    .filter(([, byPass]) => byPass.some(Boolean));
  if (!found.length) return null;
  return make("tfoot", {}, found.map(([release, byPass]) => make("tr", {},
    make("th", { scope: "row" }, "geometric mean"), make("td", {}, release.release),
    byPass.map((one) => (one
      ? [make("td", { class: "number of" }, `of ${one.rows}`),
         make("td", { class: `number ratio ${colour(one.value)}`, title: interval(one) }, numbers.ratio(one.value))]
      : [make("td"), make("td")])))));
}

function sorted(rows, { key, descending }) {
  if (!key) return descending ? rows.toReversed() : rows;
  const seconds = ({ cells }) => cells.find(({ pass }) => pass === key)?.time?.seconds ?? Infinity;
  return rows.toSorted((one, other) => (descending ? -1 : 1) * (seconds(one) - seconds(other) || 0));
}

function record({ workload, release, care }, { pass, time, ratio }) {
  const end = (value) => (value ? Number(value.toPrecision(5)) : null);
  return {
    workload, release, pass,
    seconds: time ? time.seconds ?? "n/a" : null,
    lower_quartile_seconds: time?.quartiles?.[0] ?? null,
    upper_quartile_seconds: time?.quartiles?.[1] ?? null,
    ratio: ratio ? Number(ratio.value.toPrecision(5)) : null,
    ratio_low: end(ratio?.low),
    ratio_high: end(ratio?.high),
    notes: [care, ...(time?.doubts ?? [])].filter(Boolean).join("; "),
  };
}
