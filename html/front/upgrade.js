// Two releases: every workload and pass as a change with its interval, the largest first, and the mean by pass.

import * as address from "./address.js";
import { change, colour, isChange, LEVEL, mean, NOT_COMPARED, workDiffers } from "./compare.js";
import * as data from "./data.js";
import { choice, make, Notes, sorter } from "./elements.js";
import { exports } from "./export.js";
import * as numbers from "./numbers.js";

const COLUMNS = {
  workload: { title: "Workload", value: (row) => row.place },
  pass: { title: "Pass", value: (row) => row.pass },
  from: { title: "From", value: (row) => row.base.seconds },
  to: { title: "To", value: (row) => row.other.seconds },
  change: { title: "Change", value: (row) => row.change?.value ?? Infinity },
  reading: { title: "Reading", value: (row) => row.reading },
};

export async function show(fields, index) {
  const { machine, device } = fields;
  const available = machine.devices[device].releases;
  if (available.length < 2) {
    const only = make("p", {}, `${machine.name} has times of ${available.join()} alone: there is nothing to compare it with.`);
    return { title: "Upgrade", elements: [only] };
  }
  const frameworks = Object.fromEntries(index.releases.map(({ name, framework }) => [name, framework]));
  const branches = Object.fromEntries(index.releases.map(({ name, branch }) => [name, branch]));
  const to = available.includes(fields.to) ? fields.to : newest(available, branches);
  const from = available.includes(fields.from) && fields.from !== to ? fields.from : before(to, available, branches);
  const [base, other] = await Promise.all([from, to].map((name) => data.release(machine.name, name)));
  const rows = rowsOf(base, other, device, index, frameworks);
  const filter = (fields.filter ?? "").toLowerCase();
  const chosen = rows.filter(({ workload, pass }) => `${workload} ${pass}`.toLowerCase().includes(filter));
  const sort = { key: fields.sort ?? "", descending: fields.descending === "yes" };
  const notes = new Notes("changes");
  return {
    title: `${from} → ${to}`,
    elements: [
      picker(from, to, available, branches),
      summary(from, to, rows, index, (kind, pass) => mean(base, other, device, kind, pass)),
      comparison(from, to, index),
      filterBox(fields.filter ?? ""),
      changes(sorted(chosen, sort), sort, notes),
      notes.list(),
      exports(sorted(chosen, sort).map((row) => record(row, from, to)), `passtime-${from}-${to}-${device}`),
      explanation(rows, from, to, index.margin),
    ].filter(Boolean),
  };
}

function newest(available, branches) {
  return available.findLast((name) => branches[name] === "torch") ?? available.at(-1);
}

/** The release before it of the same branch on this machine, or any other. */
function before(to, available, branches) {
  const same = available.filter((name) => branches[name] === branches[to]);
  return same[same.indexOf(to) - 1] ?? available.find((name) => name !== to);
}

function picker(from, to, available, branches) {
  const grouped = {};
  for (const name of [...available].reverse()) (grouped[branches[name]] ??= []).push(name);
  return make("div", { class: "choices" },
    choice("From", grouped, from, (name) => address.go({ from: name, to: name === to ? from : to })),
    choice("To", grouped, to, (name) => address.go({ from: name === from ? to : from, to: name })),
    make("a", { href: address.to({ from: to, to: from }) }, "the other way round"));
}

/** Of two commits of a repository: where it shows what lies between them. */
function comparison(from, to, index) {
  const [one, two] = [from, to].map((name) => index.releases.find((release) => release.name === name).page?.split("/commit/") ?? []);
  if (!one[0] || one[0] !== two[0]) return null;
  const href = `${one[0]}/compare/${one[1]}...${two[1]}`;
  return make("p", {}, make("a", { href }, `The commits from ${from} to ${to}`));
}

function rowsOf(base, other, device, index, frameworks) {
  return [...index.models, ...index.layers].flatMap((workload, place) => index.passes.flatMap((pass) => {
    const [one, two] = [base, other].map(({ times }) => times[workload]?.[device]?.[pass]);
    if (!one?.seconds || !two?.seconds) return [];
    const otherWork = workDiffers(base, other, workload, device, frameworks);
    const found = otherWork ? undefined : change(base, other, workload, device, pass);
    const care = [otherWork, ...(found?.doubts ?? [])].filter(Boolean);
    return [{ workload, place, pass, base: one, other: two, change: found, reading: found?.verdict ?? NOT_COMPARED, care,
              isModel: place < index.models.length }];
  }));
}

/** One sentence, and the means by pass; `published` gives what there is of a kind's mean. */
function summary(from, to, rows, index, published) {
  const total = published("models", "total") ?? published("layers", "total");
  const of = published("models", "total") ? "a model’s training step" : "a layer’s training step";
  const counts = ["slower", "faster", "same", "cannot tell", NOT_COMPARED]
    .map((text) => [rows.filter((row) => row.reading === text).length, text])
    .filter(([count, text]) => count || text !== NOT_COMPARED).map(([count, text]) => `${count} ${text}`);
  const kinds = ["models", "layers"].filter((kind) => index.passes.some((pass) => published(kind, pass)));
  const cell = (pass, kind) => {
    const found = published(kind, pass);
    if (!found) return make("td");
    return make("td", { class: `number ratio ${isChange(found.verdict) ? colour(found.value) : ""}` },
      `${numbers.change(found.value)} `, make("small", {}, interval(found)));
  };
  return make("section", { class: "summary" },
    make("p", { class: "answer" }, total
      ? [make("b", {}, to), " takes ", make("b", {}, numbers.ratio(total.value)), " the time of ", make("b", {}, from),
         ` for ${of} ${interval(total)}: ${total.verdict === "same" ? `the same within ${index.margin * 100} %` : total.verdict}.`]
      : `No heat connects ${from} and ${to}, so they are not compared: passtime measure ${from} ${to} measures them together.`),
    make("p", {}, `Of ${rows.length} workloads and passes: ${counts.join(", ")}.`),
    kinds.length ? make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Geometric means" }, make("table", {},
      make("caption", {}, "Change of the time, geometric mean"),
      make("thead", {}, make("tr", {}, make("td"), index.passes.map((pass) => make("th", { scope: "col" }, pass)))),
      make("tbody", {}, kinds.map((kind) =>
        make("tr", {}, make("th", { scope: "row" }, kind), index.passes.map((pass) => cell(pass, kind))))))) : null);
}

function interval(found) {
  return `(${numbers.interval(found, numbers.change)})`;
}

function filterBox(filter) {
  return make("label", { class: "choice" }, make("span", {}, "Only"),
    make("input", { type: "search", name: "filter", value: filter, placeholder: "resnet50 total",
      oninput: (event) => address.replace({ filter: event.target.value }) }));
}

function changes(rows, sort, notes) {
  const onsort = ({ key, descending }) => address.go({ sort: key, descending: descending ? "yes" : null });
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Changes" }, make("table", { class: "changes" },
    make("caption", {}, sort.key ? "Changes" : "Changes, the largest first"),
    make("thead", {}, make("tr", {}, Object.entries(COLUMNS).map(([key, { title }]) => sorter(title, key, sort, onsort)))),
    make("tbody", {}, rows.map((row) => make("tr", {},
      make("th", { scope: "row" }, row.workload),
      make("td", {}, row.pass),
      make("td", { class: "number" }, numbers.timeWithSpread(row.base)),
      make("td", { class: "number" }, numbers.timeWithSpread(row.other)),
      make("td", { class: `number ratio ${isChange(row.reading) ? colour(row.change.value) : ""}` },
        row.change ? [`${numbers.change(row.change.value)} `, make("small", {}, interval(row.change))] : null,
        row.care.map((reason) => notes.cite(reason))),
      make("td", {}, row.reading))))));
}

function explanation(rows, from, to, margin) {
  const heats = rows.map(({ change }) => change?.heats ?? 0).filter(Boolean);
  const [least, most] = [Math.min(...heats), Math.max(...heats)];
  return make("p", { class: "legend" },
    heats.length
      ? `A change is from heats, in which both releases took turns, ${least === most ? least : `${least} to ${most}`} of each workload, so it may differ from that of the times shown, which are medians of all samples; behind it its ${LEVEL} interval. `
      : "A change is shown only from heats, in which both releases take turns: the machine’s hour is then in neither. ",
    `Slower and faster: false discoveries are held to 5 % over all rows. Same: shown to be within ${margin * 100} %. Not compared: no chain of heats connects the two. `,
    make("code", {}, `passtime measure ${from} ${to}`), " takes more heats, ", make("code", {}, `passtime verdict ${from} ${to}`), " says the same as this page.");
}

function sorted(rows, { key, descending }) {
  if (!Object.hasOwn(COLUMNS, key)) {
    const size = ({ change }) => (change ? Math.abs(Math.log(change.value)) : -1);
    return rows.toSorted((one, other) => size(other) - size(one));
  }
  const { value } = COLUMNS[key];
  const compare = (one, other) => (one < other ? -1 : one > other ? 1 : 0);
  return rows.toSorted((one, other) => (descending ? -1 : 1) * compare(value(one), value(other)));
}

function record(row, from, to) {
  return {
    workload: row.workload, pass: row.pass, from, to,
    from_seconds: row.base.seconds, to_seconds: row.other.seconds,
    ratio: row.change?.value ?? null, ratio_low: row.change?.low ?? null, ratio_high: row.change?.high ?? null,
    heats: row.change?.heats ?? 0, reading: row.reading, too_noisy: row.change?.isTooNoisy ?? false, notes: row.care.join("; "),
  };
}
