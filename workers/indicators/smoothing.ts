// What many kinds are made of: means that take one value after the other, so that a kernel goes through its window
// once and keeps no series in between, and measures of a stretch of values.
//
// Nothing is made for each candle, and what a loop adds up is declared on its own: of `let [sum, total] = [0, 0]` the
// engine would box each sum anew.

/**
 * A parameter that counts candles, as an integer to the engine too: beside parameters that are none it comes as a
 * floating number, which a loop would convert at each candle.
 */
export const whole = (count: number): number => count | 0;

/**
 * Exponential mean: each value moves it by its weight, seeded with the arithmetic mean of the first `period` values.
 * It is NaN until then, and skips a leading stretch of NaN, so that one can be fed from another.
 */
export interface Exponential {
  readonly mean: number;
  /** @returns the mean with this value in it. */
  next(value: number): number;
}

/** With the weight 2 / (period + 1), as in TA-Lib. */
export const ema = (period: number): Exponential => exponential(period, 2 / (period + 1));

/** Wilder's mean, with the weight 1 / period. */
export const wilder = (period: number): Exponential => exponential(period, 1 / period);

// A record, each in a constant of its own: so the engine keeps up to four of them in registers; of a class, or taken out
// of an array, it makes objects in a kernel with more than two or three.
const exponential = (period: number, weight: number): State => {
  return { mean: Number.NaN, period, weight, count: 0, sum: 0, next };
};

interface State extends Exponential {
  mean: number;
  readonly period: number;
  readonly weight: number;
  count: number;
  sum: number;
}

function next(this: State, value: number): number {
  if (this.count === this.period) {
    this.mean += this.weight * (value - this.mean);
  } else if (this.count > 0 || !Number.isNaN(value)) {
    this.count += 1;
    this.sum += value;
    if (this.count === this.period) this.mean = this.sum / this.period;
  }
  return this.mean;
}

/**
 * Wilder's true range: the candle's, widened to the close before; the first candle has none.
 *
 * @param index Of the candle in these columns.
 */
export function trueRange(
  high: Float64Array,
  low: Float64Array,
  close: Float64Array,
  index: number,
): number {
  const before = close[index - 1] ?? Number.NaN;
  const top = Math.max(high[index] ?? Number.NaN, before);
  return top - Math.min(low[index] ?? Number.NaN, before);
}

// Each of the measures below is of the values from one place to before another, summed anew: no rounding is carried
// along. An origin is taken from each value first, so that values that equal it measure exactly nothing.

/** NaN where the stretch begins before the values do. */
export function mean(values: Float64Array, from: number, to: number, origin = 0): number {
  let sum = 0;
  for (let index = from; index < to; index++) sum += (values[index] ?? Number.NaN) - origin;
  return sum / (to - from);
}

/** The newest weighs as much as there are values, the oldest one. */
export function weightedMean(values: Float64Array, from: number, to: number, origin = 0): number {
  let sum = 0;
  for (let index = from; index < to; index++) {
    sum += (index - from + 1) * ((values[index] ?? Number.NaN) - origin);
  }
  return sum / (((to - from) * (to - from + 1)) / 2);
}

/** Population deviation in two passes, which loses nothing where prices are large and moves small. */
export function deviation(values: Float64Array, from: number, to: number, origin = 0): number {
  const middle = mean(values, from, to, origin);
  let squares = 0;
  for (let index = from; index < to; index++) {
    squares += ((values[index] ?? Number.NaN) - origin - middle) ** 2;
  }
  return Math.sqrt(squares / (to - from));
}

/** NaN where one of them is. */
export function highest(values: Float64Array, from: number, to: number): number {
  let found = Number.NEGATIVE_INFINITY;
  for (let index = from; index < to; index++) {
    const value = values[index] ?? Number.NaN;
    // Most are not, which a processor foresees.
    if (value <= found) continue;
    if (Number.isNaN(value)) return value;
    found = value;
  }
  return found;
}

/** NaN where one of them is. */
export function lowest(values: Float64Array, from: number, to: number): number {
  let found = Number.POSITIVE_INFINITY;
  for (let index = from; index < to; index++) {
    const value = values[index] ?? Number.NaN;
    if (value >= found) continue;
    if (Number.isNaN(value)) return value;
    found = value;
  }
  return found;
}

/**
 * Where the highest of a stretch without NaN is, the newest of equal ones. It looks back only where it must.
 *
 * @param before Where it was in a stretch that ended one place before, if that is known.
 */
export function placeOfHighest(
  values: Float64Array,
  from: number,
  to: number,
  before = -1,
): number {
  const at = (index: number): number => values[index] ?? Number.NaN;
  if (before >= from) return at(to - 1) >= at(before) ? to - 1 : before;
  let place = from;
  for (let index = from + 1; index < to; index++) if (at(index) >= at(place)) place = index;
  return place;
}

/** The same of the lowest. */
export function placeOfLowest(values: Float64Array, from: number, to: number, before = -1): number {
  const at = (index: number): number => values[index] ?? Number.NaN;
  if (before >= from) return at(to - 1) <= at(before) ? to - 1 : before;
  let place = from;
  for (let index = from + 1; index < to; index++) if (at(index) <= at(place)) place = index;
  return place;
}

/** How far the highest is above the lowest; NaN where one of them is. */
export function range(values: Float64Array, from: number, to: number): number {
  let top = Number.NEGATIVE_INFINITY;
  let bottom = Number.POSITIVE_INFINITY;
  for (let index = from; index < to; index++) {
    const value = values[index] ?? Number.NaN;
    if (value <= top && value >= bottom) continue;
    top = Math.max(top, value);
    bottom = Math.min(bottom, value);
  }
  return top - bottom;
}

/** The last value of a series, `back` places before it; NaN where there is none. */
export function last(values: Float64Array, back = 0): number {
  return values[values.length - 1 - back] ?? Number.NaN;
}

/** The mean of a candle's high, low and close; the candle is that at the index of these columns. */
export function typicalPrice(
  high: Float64Array,
  low: Float64Array,
  close: Float64Array,
  index: number,
): number {
  const top = high[index] ?? Number.NaN;
  const bottom = low[index] ?? Number.NaN;
  return (top + bottom + (close[index] ?? Number.NaN)) / 3;
}
