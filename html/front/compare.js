// How two releases' times differ, and how sure that is.

const LEVEL = "95 %";
const NOT_COMPARED = "not compared";
export { LEVEL, NOT_COMPARED };

const OPPOSITES = { slower: "faster", faster: "slower" };

/**
 * What `passtime verdict` says of a pass in two releases, as it was published: {value, low, high, verdict, ...}, the ends
 * null where nothing tells. Undefined where no heat connects the two.
 */
export function change(base, other, workload, device, pass) {
  return published(base, other, ({ changes }) => changes[workload]?.[device]?.[pass]);
}

/** The same of the mean over a kind, models or layers; `rows` says over how many. */
export function mean(base, other, device, kind, pass) {
  return published(base, other, ({ means }) => means[device]?.[kind]?.[pass]);
}

/** Each pair was published once, with the newer release. */
function published(base, other, find) {
  const [there, back] = [[base, other], [other, base]].map(([one, two]) => two.against?.[one.release]);
  const found = there ? find(there) : back ? find(back) : undefined;
  if (!found) return undefined;
  const { ratio, low = null, high = null, verdict, is_too_noisy: isTooNoisy = false, ...more } = found;
  if (there) return { ...more, value: ratio, low, high, verdict, isTooNoisy };
  const [least, most] = [high, low].map((end) => (end === null ? null : 1 / end));
  return { ...more, value: 1 / ratio, low: least, high: most, verdict: OPPOSITES[verdict] ?? verdict, isTooNoisy };
}

/** Whether that is a change. */
export function isChange(text) {
  return text === "slower" || text === "faster";
}

/** The class of a cell's colour: from 5 steps faster to 5 steps slower, a step a factor of 1.15. */
export function colour(value) {
  const step = Math.max(-5, Math.min(5, Math.round(Math.log(value) / Math.log(1.15))));
  return step === 0 ? "" : step < 0 ? `faster-${-step}` : `slower-${step}`;
}

/** Why a ratio of two releases needs care, or null: other work, or between frameworks never checked. */
export function workDiffers(base, other, workload, device, frameworks) {
  if (base.release === other.release) return null;
  const difference = base.parity[other.release]?.[device]?.[workload];
  if (difference) return `${other.release} does other work than ${base.release} in ${workload}: ${difference}`;
  if (difference === undefined && frameworks[base.release] !== frameworks[other.release]) {
    return `never shown to do the same work as ${base.release}: passtime parity checks it`;
  }
  return null;
}
