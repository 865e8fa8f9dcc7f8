// Two releases: every workload and pass as a change with its interval, the largest first, and the mean by pass.

import * as address from "./address.js";
import { colour, combined, inTurn, isChange, LEVEL, MARGIN, meanInTurn, ratio, reading, workDiffers } from "./compare.js";
import * as data from "./data.js";
import { choice, make, Notes, sorter } from "./elements.js";
import { exports } from "./export.js";
import * as numbers from "./numbers.js";

const MANY_PAGE_FAULTS = 100;
const NOT_COMPARED = "not compared";
const COLUMNS = {
  workload: { title: "Workload", value: (row) => row.place },
  pass: { title: "Pass", value: (row) => row.pass },
  from: { title: "From", value: (row) => row.base.seconds },
  to: { title: "To", value: (row) => row.other.seconds },
  change: { title: "Change", value: (row) => row.ratio.value },
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
      summary(from, to, rows, index, (kind, pass) => meanInTurn(base, other, device, kind, pass)),
      comparison(from, to, index),
      filterBox(fields.filter ?? ""),
      changes(sorted(chosen, sort), sort, notes),
      notes.list(),
      exports(sorted(chosen, sort).map((row) => record(row, from, to)), `passtime-${from}-${to}-${device}`),
      explanation(rows, from, to),
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
    const turn = inTurn(base, other, workload, device, pass);
    const found = ratio(one, two, turn, index);
    const otherWork = workDiffers(base, other, workload, device, frameworks);
    const text = otherWork ? NOT_COMPARED : reading(found);
    const care = [
      otherWork,
      ...doubts(base.release, one),
      ...doubts(other.release, two),
      found.low === null ? "no samples are stored: how sure it is cannot be told" : null,
      device === "cpu" && isChange(text) ? memoryDoubt(one, two) : null,
    ].filter(Boolean);
    return [{ workload, place, pass, base: one, other: two, turn, ratio: found, reading: text, care,
              isSameWork: !otherWork, isModel: place < index.models.length }];
  }));
}

/** Of the time itself, and of any change of it. */
function doubts(release, time) {
  return [...(time.doubts ?? []), ...(time.change_doubts ?? [])].map((doubt) => `${release}: ${doubt}`);
}

/** One sentence, and the means by pass; `published` gives what there is of a kind's mean, where there is such. */
function summary(from, to, rows, index, published) {
  const total = combined(rows.filter((row) => row.pass === "total" && row.isModel && row.isSameWork), index, published("models", "total"));
  const counts = ["slower", "faster", "same", "cannot tell", NOT_COMPARED]
    .map((text) => [rows.filter((row) => row.reading === text).length, text])
    .filter(([count, text]) => count || text !== NOT_COMPARED).map(([count, text]) => `${count} ${text}`);
  const kinds = [["models", true], ["layers", false]].filter(([, isModel]) => rows.some((row) => row.isModel === isModel));
  const cell = (pass, kind, isModel) => {
    const same = rows.filter((row) => row.pass === pass && row.isModel === isModel && row.isSameWork);
    const mean = combined(same, index, published(kind, pass));
    if (!mean) return make("td");
    return make("td", { class: `number ratio ${isChange(reading(mean)) ? colour(mean.value) : ""}` },
      `${numbers.change(mean.value)} `, make("small", {}, interval(mean)));
  };
  return make("section", { class: "summary" },
    make("p", { class: "answer" }, total
      ? [make("b", {}, to), " takes ", make("b", {}, numbers.ratio(total.value)), " the time of ", make("b", {}, from),
         ` for a model’s training step ${interval(total)}: ${verdict(total)}.`]
      : `${from} and ${to} have no training step in common that is known to be the same work.`),
    make("p", {}, `Of ${rows.length} workloads and passes: ${counts.join(", ")}.`),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Geometric means" }, make("table", {},
      make("caption", {}, "Change of the time, geometric mean"),
      make("thead", {}, make("tr", {}, make("td"), index.passes.map((pass) => make("th", { scope: "col" }, pass)))),
      make("tbody", {}, kinds.map(([kind, isModel]) =>
        make("tr", {}, make("th", { scope: "row" }, kind), index.passes.map((pass) => cell(pass, kind, isModel))))))));
}

function verdict(found) {
  if (found.low === null) return "how sure that is cannot be told, no samples are stored";
  const text = reading(found);
  return text === "cannot tell" ? "too little to tell from these samples" : text === "same" ? `the same within ${MARGIN * 100} %` : text;
}

function interval(found) {
  return found.low === null ? "" : `(${numbers.interval(found, numbers.change)})`;
}

/** What the kernel gives and takes back differs from process to process, and a layer's time with it. */
function memoryDoubt(base, other) {
  const [fewer, more] = [base.page_faults, other.page_faults].toSorted((one, two) => one - two);
  if (fewer === undefined || more === undefined) return "page faults were not recorded in both: memory that is taken anew may explain it";
  return more > Math.max(MANY_PAGE_FAULTS, 2 * fewer) ? "more than twice the page faults in one of them: memory that is taken anew may explain it" : null;
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
      make("td", { class: `number ratio ${isChange(row.reading) ? colour(row.ratio.value) : ""}` },
        `${numbers.change(row.ratio.value)} `, make("small", {}, interval(row.ratio)), row.care.map((reason) => notes.cite(reason))),
      make("td", {}, row.reading))))));
}

function explanation(rows, from, to) {
  const compared = rows.filter(({ isSameWork }) => isSameWork).length;
  const byChance = Math.round(compared * 0.05);
  const turns = rows.filter(({ turn }) => turn).length;
  return make("p", { class: "legend" },
    `A change is of the geometric means of sessions’ medians, so it may differ from that of the times shown, which are medians of all samples; behind it its ${LEVEL} interval, from how much sessions of the same pass differ on this machine. `,
    turns ? `Of ${turns} rows both are the mean over sessions of the two releases that were measured in turn, as passtime measure does. ` : "",
    `Slower or faster means that the interval does not hold 0, same that it is shown to be within ${MARGIN * 100} %, by two one-sided tests at 5 %. Of ${compared} rows about ${byChance} would be called so by chance if nothing had changed: `,
    "one row alone is a hint, a row with a narrow interval far from 0 or several rows alike are evidence. ",
    turns < rows.length ? "Where the two were measured one after the other, what became of the machine’s speed meanwhile is in no interval. " : "",
    make("code", {}, `passtime verdict ${from} ${to}`), " judges all rows together.");
}

function sorted(rows, { key, descending }) {
  if (!Object.hasOwn(COLUMNS, key)) {
    return rows.toSorted((one, other) => Math.abs(Math.log(other.ratio.value)) - Math.abs(Math.log(one.ratio.value)));
  }
  const { value } = COLUMNS[key];
  const compare = (one, other) => (one < other ? -1 : one > other ? 1 : 0);
  return rows.toSorted((one, other) => (descending ? -1 : 1) * compare(value(one), value(other)));
}

function record(row, from, to) {
  const short = (value) => (value === null ? null : Number(value.toPrecision(5)));
  const end = (value) => (numbers.isTooWide(row.ratio) ? null : short(value));
  return {
    workload: row.workload, pass: row.pass, from, to,
    from_seconds: row.base.seconds, to_seconds: row.other.seconds,
    ratio: short(row.ratio.value), ratio_low: end(row.ratio.low), ratio_high: end(row.ratio.high),
    reading: row.reading, too_noisy: numbers.isTooWide(row.ratio), notes: row.care.join("; "),
  };
}
