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

/** What was published of two releases' sessions that were measured in turn, or undefined: the ratio with its interval. */
export function inTurn(base, other, workload, device, pass) {
  return other.in_turn?.[base.release]?.[workload]?.[device]?.[pass];
}

/** What was published of the mean over such ratios of a kind, models or layers, or undefined. */
export function meanInTurn(base, other, device, kind, pass) {
  return other.means_in_turn?.[base.release]?.[device]?.[kind]?.[pass];
}

/**
 * How the logarithm of a time differs, with the error of that. Two times are of one workload, and so alike in how unsteady
 * they are that together they tell no more of it than the one that tells less.
 */
function change({ base, other, turn }) {
  if (turn) return { ...turn, log: Math.log(turn.ratio) };
  const [one, two] = [base, other].map(({ typical_seconds, seconds }) => typical_seconds ?? seconds);
  const log = Math.log(two / one);
  if (!base.error || !other.error) return { log };
  return { log, error: Math.hypot(base.error, other.error), freedom: Math.min(base.freedom, other.freedom) };
}

/** The times' ratio with its interval, from the errors of both logarithms or from what was measured `turn` by turn. */
export function ratio(base, other, turn, index) {
  return combined([{ base, other, turn }], index, turn);
}

/**
 * The geometric mean of several pairs' ratios, with its interval and the least margin at which it is the same. Where all
 * were measured in turn, it is what was `published`. Otherwise they may all err together, since they share workers and
 * minutes, and the mean as much as they do on average. Looks at sessions that are taken in turn cost the widest interval.
 */
export function combined(pairs, { quantiles, looks, inner }, published) {
  if (!pairs.length) return null;
  if (published && pairs.every(({ turn }) => turn) && (published.rows ?? 1) === pairs.length) {
    const { ratio, low, high, margin } = published;
    return { value: ratio, low, high, margin };
  }
  const changes = pairs.map(change);
  const mean = (value) => changes.reduce((total, one) => total + value(one), 0) / changes.length;
  const log = mean(({ log }) => log);
  if (changes.some(({ error }) => error === undefined)) return { value: Math.exp(log), low: null, high: null, margin: null };
  const error = mean(({ error }) => error);
  const freedom = Math.min(...changes.map(({ freedom }) => freedom));
  const look = Math.min(...changes.map(({ look }) => look ?? Infinity));
  const [half, innerHalf] = [{ quantiles, looks }, inner].map(({ quantiles, looks }) => quantile(freedom, looks[look] ?? quantiles) * error);
  return { value: Math.exp(log), low: Math.exp(log - half), high: Math.exp(log + half), margin: Math.exp(Math.abs(log) + innerHalf) - 1 };
}

/** What `passtime verdict` says of a row alone: "slower", "faster", "same" or "cannot tell". */
export function reading({ low, high, margin }) {
  if (low === null) return "cannot tell";
  if (low > 1 || high < 1) return low > 1 ? "slower" : "faster";
  return margin < MARGIN ? "same" : "cannot tell";
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
