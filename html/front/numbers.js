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

/** A ratio as a change: "+4.2 %". */
export function change(value) {
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
