// Times, ratios and changes as text.

const UNITS = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];

/** A time to three digits: "12.3 ms". */
export function time(seconds) {
  const [size, unit] = UNITS.find(([size]) => seconds >= size * 0.9995) ?? UNITS.at(-1);
  return `${digits(seconds / size, 3)} ${unit}`;
}

/** A time with half of its samples' interquartile range, in one unit: "12.3 ± 0.4 ms". */
export function timeWithSpread(measured) {
  if (!measured.quartiles) return time(measured.seconds);
  const [size, unit] = UNITS.find(([size]) => measured.seconds >= size * 0.9995) ?? UNITS.at(-1);
  const [low, high] = measured.quartiles;
  return `${digits(measured.seconds / size, 3)} ± ${digits((high - low) / 2 / size, 2)} ${unit}`;
}

export const ratio = (value) => `${digits(value, 3)}×`;

// From this factor between a ratio and an end of its interval on, the interval tells nothing; as passtime verdict has it.
const TOO_WIDE = 10;
export const TOO_NOISY = "too noisy to compare";

/** Whether an interval holds 1 and is too wide to tell anything. */
export function isTooWide({ value, low, high }) {
  return low !== null && low <= 1 && high >= 1 && Math.max(high / value, value / low) > TOO_WIDE;
}

/** An interval by its ends, written as `text` writes a ratio, or why there is none to be read. */
export function interval(found, text) {
  return isTooWide(found) ? TOO_NOISY : `${text(found.low)} to ${text(found.high)}`;
}

/** A ratio as a change: "+4.2 %"; a factor of a hundred or more as such, "250 times". */
export function change(value) {
  if (value >= 100) return `${Number(value.toPrecision(3))} times`;
  const percent = (value - 1) * 100;
  const text = Math.abs(percent) < 9.95 ? Math.abs(percent).toFixed(1) : Math.abs(percent).toFixed(0);
  return `${percent < 0 && Number(text) !== 0 ? "−" : "+"}${text} %`;
}

/** So many significant digits, never in exponential form. */
export function digits(value, count) {
  if (value === 0) return "0";
  const decimals = Math.max(0, count - 1 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 9));
}
