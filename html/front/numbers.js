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

export const TOO_NOISY = "too noisy to compare";

/** An interval by its ends, written as `text` writes a ratio, or why there is none to be read. */
export function interval({ low, high, isTooNoisy }, text) {
  if (isTooNoisy) return TOO_NOISY;
  return low === null ? "interval unknown" : `${text(low)} to ${text(high)}`;
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
