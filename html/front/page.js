// The page: which view, what is common to all of them, and drawing anew when the address changes.

import * as address from "./address.js";
import * as data from "./data.js";
import { choice, make } from "./elements.js";

const VIEWS = {
  tables: { title: "Tables", load: () => import("./tables.js") },
  upgrade: { title: "Upgrade", load: () => import("./upgrade.js") },
  history: { title: "History", load: () => import("./history.js") },
};
const content = document.getElementById("content");
let drawing = 0;
let drawn = null; // the address, but for its fragment, of what is shown

/** The address's fields, with what they leave out filled in: the first machine and its first device. */
function completed(index) {
  const fields = address.read();
  const view = Object.hasOwn(VIEWS, fields.view ?? "") ? fields.view : "tables";
  const machine = index.machines.find(({ name }) => name === fields.machine) ?? index.machines[0];
  const device = Object.hasOwn(machine.devices, fields.device ?? "") ? fields.device : Object.keys(machine.devices)[0];
  return { ...fields, view, machine, device };
}

/** asv's pages call a release by its commit in the timeline: to a framework's own commit's page, or that release's tables. */
function forward(index) {
  const { commit } = address.read();
  const release = commit && index.releases.find((one) => commit.startsWith(one.commit));
  if (!release) return false;
  if (release.page) {
    location.replace(release.page);
  } else {
    const machine = index.machines.find(({ devices }) => Object.values(devices).some(({ releases }) => releases.includes(release.name)));
    address.replace({ commit: null, machine: machine.name, releases: [release.name] });
  }
  return true;
}

async function draw() {
  const turn = (drawing += 1);
  drawn = location.search;
  // What had the keyboard's focus has it again in the new content.
  const focused = focus();
  try {
    const index = await data.index();
    if (!index.machines.length) {
      content.replaceChildren(make("p", { id: "state" }, "Nothing was measured yet: asv run measures, asv publish shows it here."));
      return;
    }
    if (forward(index)) return;
    const fields = completed(index);
    drawViews(fields);
    const { show } = await VIEWS[fields.view].load().catch(() => {
      throw new data.MissingData(`front/${fields.view}.js cannot be loaded: run asv publish again, and copy all of html/`);
    });
    const shown = await show(fields, index);
    if (turn !== drawing) return; // the visitor has gone on
    content.replaceChildren(...[...common(fields, index), missing(fields)].filter(Boolean), ...shown.elements);
    shown.drawn?.();
    document.title = `${shown.title} – passtime`;
    document.documentElement.dataset.view = fields.view;
    const again = focused && (focusables(focused.name)[focused.place] ?? content.querySelector('select[name="Add"], select[name="Base"]'));
    again?.focus({ preventScroll: true });
    if (again?.type === "search") again.setSelectionRange(again.value.length, again.value.length);
  } catch (error) {
    if (turn !== drawing) return;
    content.replaceChildren(make("p", { id: "state", role: "alert" }, error.message));
    if (!(error instanceof data.MissingData)) throw error;
  }
}

/** What the keyboard is in: its name, and the how many-th of that name it is. What is gone in the new content was about a release. */
function focus() {
  const { activeElement } = document;
  if (!content.contains(activeElement)) return null;
  const name = nameOf(activeElement);
  const place = focusables(name).indexOf(activeElement);
  return place < 0 ? null : { name, place };
}

function nameOf(element) {
  return element.name || element.getAttribute("aria-label") || element.textContent;
}

function focusables(name) {
  return [...content.querySelectorAll("select, input, button")].filter((one) => nameOf(one) === name);
}

/** One line for what the address asks for and is not there, or null. */
function missing({ machine, device }) {
  const asked = address.read();
  const available = machine.devices[device].releases;
  const gone = [...new Set([...(asked.releases ?? []), asked.from, asked.to])].filter((name) => name && !available.includes(name));
  const texts = [
    asked.machine && asked.machine !== machine.name ? `There is no machine ${asked.machine}: this is ${machine.name}.` : null,
    asked.device && asked.device !== device ? `${machine.name} has no times on ${asked.device}: these are on ${device}.` : null,
    gone.length ? `${gone.join(", ")}: no times here. What there is, is shown instead.` : null,
  ].filter(Boolean);
  return texts.length ? make("p", { class: "legend", role: "status" }, texts.join(" ")) : null;
}

function drawViews({ view }) {
  const links = Object.entries(VIEWS).map(([name, { title }]) =>
    make("a", { href: address.to({ view: name, sort: null, descending: null, filter: null }), "aria-current": name === view ? "page" : false }, title));
  document.getElementById("views").replaceChildren(...links);
}

/** The machine and device: every view is of one. */
function common({ machine, device }, index) {
  const names = Object.fromEntries(index.machines.map(({ name, imported }) => [name, imported ? `${name} (imported)` : name]));
  const elsewhere = { releases: null, base: null, from: null, to: null };
  return [make("div", { class: "choices" },
    choice("Machine", Object.keys(names), machine.name, (name) => address.go({ machine: name, device: null, ...elsewhere }), (name) => names[name]),
    choice("Device", Object.keys(machine.devices), device, (name) => address.go({ device: name, ...elsewhere }), (name) => name.toUpperCase()),
    make("span", { class: "title" }, machine.devices[device].title))];
}

// Links to other states of this page need no new page.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="?"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.pushState(null, "", link.getAttribute("href"));
  dispatchEvent(new Event("addresschange"));
});
// A note's fragment is no other state.
addEventListener("popstate", () => location.search !== drawn && draw());
addEventListener("addresschange", draw);

// Light or dark: as the system has it, unless the address says otherwise.
const theme = document.getElementById("theme");
function drawTheme() {
  const chosen = address.read().theme;
  if (chosen) document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
  theme.textContent = isDark() ? "Light" : "Dark";
}
function isDark() {
  return (address.read().theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
}
theme.addEventListener("click", () => address.go({ theme: isDark() ? "light" : "dark" }));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("addresschange")));
addEventListener("popstate", drawTheme);
addEventListener("addresschange", drawTheme);

drawTheme();
draw();
