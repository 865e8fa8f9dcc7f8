// How two releases' times differ, and how sure that is.

const LEVEL = "95 %";
export { LEVEL };

/** Student's quantile for a two-sided interval, from the published table: entry i is that of freedom = steps / i. */
function quantile(freedom, table) {
  const place = Math.min(1, 1 / freedom) * (table.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, table.length - 1);
  return table[below] + (place - below) * (table[above] - table[below]);
}

/** The times' ratio with its interval, from the errors of both logarithms. */
export function ratio(base, other, table) {
  return combined([{ base, other }], table);
}

/**
 * The geometric mean of several pairs' ratios, with its interval. Pairs are independent of each other, so Welch's degrees
 * of freedom are theirs; the two of a pair are of one workload, and so alike in how unsteady they are that together they
 * tell no more of it than the one that tells less.
 */
export function combined(pairs, table) {
  const count = pairs.length;
  const mean = pairs.reduce((sum, { base, other }) => sum + Math.log(other.seconds / base.seconds), 0) / count;
  const errors = pairs.flatMap(({ base, other }) => [base, other]);
  if (!count) return null;
  if (errors.some((time) => !time.error)) return { value: Math.exp(mean), low: null, high: null };
  const variances = pairs.map(({ base, other }) => base.error ** 2 + other.error ** 2);
  const variance = variances.reduce((sum, one) => sum + one, 0);
  const freedom = variance ** 2 / pairs.reduce(
    (sum, { base, other }, number) => sum + variances[number] ** 2 / Math.min(base.freedom, other.freedom), 0);
  const half = (quantile(freedom, table) * Math.sqrt(variance)) / count;
  return { value: Math.exp(mean), low: Math.exp(mean - half), high: Math.exp(mean + half) };
}

/** What the interval says: "slower", "faster" or "cannot tell". */
export function reading({ low, high }) {
  if (low === null) return "cannot tell";
  return low > 1 ? "slower" : high < 1 ? "faster" : "cannot tell";
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
