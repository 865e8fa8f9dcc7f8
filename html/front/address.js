// What is shown is in the address: ?view=upgrade&machine=…&from=…&to=…, so that a view can be sent and kept.

const LISTS = new Set(["releases", "passes", "machines"]);

/** The address's fields; lists are arrays. */
export function read() {
  const fields = {};
  for (const [name, value] of new URLSearchParams(location.search)) {
    fields[name] = LISTS.has(name) ? value.split(",").filter(Boolean) : value;
  }
  return fields;
}

/** The address of this page with some fields changed; null and "" take a field out. */
export function to(changes, fields = read()) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...fields, ...changes })) {
    const text = Array.isArray(value) ? value.join(",") : value ?? "";
    if (text !== "") query.set(name, text);
  }
  return "?" + query.toString().replaceAll("%2C", ",");
}

/** Goes there, and tells the page. */
export function go(changes) {
  history.pushState(null, "", to(changes));
  dispatchEvent(new Event("addresschange"));
}

/** As `go`, without a new entry in the browser's history: for what is typed letter by letter. */
export function replace(changes) {
  history.replaceState(null, "", to(changes));
  dispatchEvent(new Event("addresschange"));
}
