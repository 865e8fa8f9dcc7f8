// Elements of a page, made in one expression.

/** `make("td", {class: "best"}, "1.2 s")`; properties that start with "on" are listeners, false ones are left out. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== false && child !== undefined));
  return element;
}

/** A release's name, which leads to its page where it has one: to the framework's own commit. */
export function named(name, { releases }) {
  const page = releases.find((release) => release.name === name)?.page;
  return page ? make("a", { href: page }, name) : name;
}

/** A labelled choice: options are names, or {group: [names]}. */
export function choice(label, options, chosen, onchange, names = (name) => name) {
  const option = (value) => make("option", { value, selected: value === chosen }, names(value));
  const content = Array.isArray(options)
    ? options.map(option)
    : Object.entries(options).map(([group, members]) => make("optgroup", { label: group }, members.map(option)));
  return make("label", { class: "choice" }, make("span", {}, label),
    make("select", { name: label, onchange: (event) => onchange(event.target.value) }, content));
}

/** A labelled box to tick. */
export function tick(label, checked, onchange) {
  return make("label", { class: "tick" },
    make("input", { type: "checkbox", name: label, checked, onchange: (event) => onchange(event.target.checked) }), label);
}

/** Reasons under the table of that name, numbered as they are first cited. */
export class Notes {
  #texts = [];
  #name;

  constructor(name) {
    this.#name = name;
  }

  /** A small number that leads to the reason. */
  cite(text) {
    if (!this.#texts.includes(text)) this.#texts.push(text);
    const number = this.#texts.indexOf(text) + 1;
    return make("sup", {}, make("a", { href: `#note-${this.#name}-${number}`, title: text, "aria-label": `note ${number}: ${text}` }, `${number}`));
  }

  /** The list of the reasons, or null. */
  list() {
    if (!this.#texts.length) return null;
    return make("ol", { class: "notes", "aria-label": "Notes" },
      this.#texts.map((text, number) => make("li", { id: `note-${this.#name}-${number + 1}` }, text)));
  }
}

/** A head cell that sorts: `sort` is {key, descending} as it is; a click asks for the other direction, or this column. */
export function sorter(title, key, sort, onsort, properties = {}) {
  const isSorted = sort.key === key;
  return make("th", { scope: "col", "aria-sort": isSorted ? (sort.descending ? "descending" : "ascending") : "none", ...properties },
    make("button", { type: "button", name: `sort by ${title}`, onclick: () => onsort(isSorted ? { key, descending: !sort.descending } : { key, descending: false }) },
      title, make("span", { "aria-hidden": "true", class: "arrow" }, isSorted ? (sort.descending ? " ▾" : " ▴") : "")));
}
