// A shown table as a file: CSV, JSON and Markdown of the same records.

import { make } from "./elements.js";

const FORMATS = {
  CSV: { type: "text/csv", suffix: "csv", text: csv },
  JSON: { type: "application/json", suffix: "json", text: (records) => JSON.stringify(records, null, 1) + "\n" },
  Markdown: { type: "text/markdown", suffix: "md", text: markdown },
};

/** Buttons that hand over the records, objects with the same keys. */
export function exports(records, name) {
  return make("p", { class: "exports" }, "Export: ", Object.entries(FORMATS).map(([title, { type, suffix, text }]) =>
    make("button", { type: "button", onclick: () => download(text(records), type, `${name}.${suffix}`) }, title)));
}

function download(text, type, name) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address));
}

function csv(records) {
  const field = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return lines(records).map((line) => line.map(field).join(",") + "\n").join("");
}

function markdown(records) {
  const [head, ...rows] = lines(records).map((line) => line.map((value) => value.replaceAll("|", "\\|")));
  return [head, head.map(() => "---"), ...rows].map((line) => `| ${line.join(" | ")} |\n`).join("");
}

function lines(records) {
  const names = Object.keys(records[0] ?? {});
  return [names, ...records.map((record) => names.map((name) => `${record[name] ?? ""}`))];
}
