// How two releases' times differ, and how sure that is.

const LEVEL = "95 %";
/** Within which a change is none, as passtime verdict has it unless told otherwise. */
const MARGIN = 0.02;
export { LEVEL, MARGIN };

/** Student's quantile for a two-sided interval, from the published table: entry i is that of freedom = steps / i. */
function quantile(freedom, table) {
  const place = Math.min(1, 1 / freedom) * (table.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, table.length - 1);
  return table[below] + (place - below) * (table[above] - table[below]);
}

/** What was published of two releases' sessions that were measured in turn, or undefined: the ratio, its logarithm's error. */
export function inTurn(base, other, workload, device, pass) {
  return other.in_turn?.[base.release]?.[workload]?.[device]?.[pass];
}

/**
 * How the logarithm of a time differs, with the error of that. Two times are of one workload, and so alike in how unsteady
 * they are that together they tell no more of it than the one that tells less.
 */
function change({ base, other, turn }) {
  if (turn) return { ...turn, log: Math.log(turn.ratio) };
  const log = Math.log(other.seconds / base.seconds);
  if (!base.error || !other.error) return { log };
  return { log, error: Math.hypot(base.error, other.error), freedom: Math.min(base.freedom, other.freedom) };
}

/** The times' ratio with its interval, from the errors of both logarithms or from what was measured `turn` by turn. */
export function ratio(base, other, turn, index) {
  return combined([{ base, other, turn }], index);
}

/**
 * The geometric mean of several pairs' ratios, with its interval. Pairs are independent of each other, so Welch's degrees
 * of freedom are theirs. Sessions in turn are looked at while they are taken, which their quantiles pay for: the widest.
 */
export function combined(pairs, { quantiles, looks }) {
  if (!pairs.length) return null;
  const changes = pairs.map(change);
  const sum = (value) => changes.reduce((total, one) => total + value(one), 0);
  const mean = sum(({ log }) => log) / changes.length;
  if (changes.some(({ error }) => error === undefined)) return { value: Math.exp(mean), low: null, high: null };
  const variance = sum(({ error }) => error ** 2);
  const freedom = variance ? variance ** 2 / sum(({ error, freedom }) => error ** 4 / freedom) : 1;
  const look = Math.min(...changes.map(({ look }) => look ?? Infinity));
  const half = (quantile(freedom, looks[look] ?? quantiles) * Math.sqrt(variance)) / changes.length;
  return { value: Math.exp(mean), low: Math.exp(mean - half), high: Math.exp(mean + half) };
}

/** What the interval says: "slower", "faster", "same" where all of it is within the margin, or "cannot tell". */
export function reading({ low, high }) {
  if (low === null) return "cannot tell";
  if (low > 1 || high < 1) return low > 1 ? "slower" : "faster";
  return low > 1 / (1 + MARGIN) && high < 1 + MARGIN ? "same" : "cannot tell";
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
