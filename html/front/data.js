// The published numbers, each file loaded once, when it is first shown.

const loading = new Map();

export class MissingData extends Error {}

function load(path) {
  if (!loading.has(path)) {
    loading.set(path, fetchJson(`data/${path}`).catch((error) => {
      loading.delete(path);
      throw error;
    }));
  }
  return loading.get(path);
}

async function fetchJson(address) {
  let answer;
  try {
    answer = await fetch(address);
  } catch {
    throw new MissingData(`${address} cannot be loaded: the site has to come from a server, any will do`);
  }
  if (!answer.ok) throw new MissingData(`${address} is missing: run asv publish again, and copy all of html/`);
  try {
    return await answer.json();
  } catch {
    throw new MissingData(`${address} is not what asv publish wrote: copy all of html/ again`);
  }
}

export const index = () => load("index.json");

/** All that a release has on a machine: {times: {workload: {device: {pass: time}}}, parity}. */
export const release = (machine, name) => load(`${machine}/releases/${encodeURIComponent(name)}.json`);

/** All releases' times of a workload on a machine: {device: {pass: {release: time}}}. */
export const workload = async (machine, name) => (await load(`${machine}/workloads/${name.replace("/", "-")}.json`)).times;
