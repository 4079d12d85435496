// What many kinds are made of: series as long as what they are made from, NaN before their first value. A leading
// stretch of NaN is skipped, so that one can be made from another.

/** Where a series begins. */
export function firstOf(values: Float64Array): number {
  let first = 0;
  while (first < values.length && Number.isNaN(values[first])) first++;
  return first;
}

/** The last value of a series, NaN of one without any; `back` bars before it. */
export function last(values: Float64Array, back = 0): number {
  return values[values.length - 1 - back] ?? Number.NaN;
}

/** Arithmetic mean of the last `period` values, each summed anew: no rounding is carried along. */
export function sma(values: Float64Array, period: number): Float64Array {
  return rolling(values, period, (from, to) => {
    let sum = 0;
    for (let index = from; index < to; index++) sum += values[index] ?? Number.NaN;
    return sum / period;
  });
}

/** Linearly weighted mean of the last `period` values, the newest weighs `period`. */
export function wma(values: Float64Array, period: number): Float64Array {
  return rolling(values, period, (from, to) => {
    let sum = 0;
    for (let index = from; index < to; index++) {
      sum += (index - from + 1) * (values[index] ?? Number.NaN);
    }
    return sum / ((period * (period + 1)) / 2);
  });
}

/** Exponential mean with the weight 2 / (period + 1), seeded with the mean of the first `period` values, as in TA-Lib. */
export function ema(values: Float64Array, period: number): Float64Array {
  return exponential(values, period, 2 / (period + 1));
}

/** Wilder's mean: exponential with the weight 1 / period, seeded in the same way. */
export function wilder(values: Float64Array, period: number): Float64Array {
  return exponential(values, period, 1 / period);
}

export function highest(values: Float64Array, period: number): Float64Array {
  return rolling(values, period, (from, to) => {
    let found = values[from] ?? Number.NaN;
    for (let index = from + 1; index < to; index++) {
      found = Math.max(found, values[index] ?? Number.NaN);
    }
    return found;
  });
}

export function lowest(values: Float64Array, period: number): Float64Array {
  return rolling(values, period, (from, to) => {
    let found = values[from] ?? Number.NaN;
    for (let index = from + 1; index < to; index++) {
      found = Math.min(found, values[index] ?? Number.NaN);
    }
    return found;
  });
}

/** Population deviation of the last `period` values in two passes, which loses nothing where prices are large and moves small. */
export function deviation(values: Float64Array, period: number): Float64Array {
  return rolling(values, period, (from, to) => {
    let mean = 0;
    for (let index = from; index < to; index++) mean += values[index] ?? Number.NaN;
    mean /= period;
    let squares = 0;
    for (let index = from; index < to; index++) {
      squares += ((values[index] ?? Number.NaN) - mean) ** 2;
    }
    return Math.sqrt(squares / period);
  });
}

/** Wilder's true range: the day's, or from the close before; the first bar has none. */
export function trueRange(
  high: Float64Array,
  low: Float64Array,
  close: Float64Array,
): Float64Array {
  return close.map((_, index) => {
    const before = close[index - 1] ?? Number.NaN;
    const [top, bottom] = [high[index] ?? Number.NaN, low[index] ?? Number.NaN];
    return Math.max(top - bottom, Math.abs(top - before), Math.abs(bottom - before));
  });
}

/** `measure` is given where each `period` values begin and end. */
export function rolling(
  values: Float64Array,
  period: number,
  measure: (from: number, to: number) => number,
): Float64Array {
  const made = new Float64Array(values.length).fill(Number.NaN);
  for (let to = firstOf(values) + period; to <= values.length; to++) {
    made[to - 1] = measure(to - period, to);
  }
  return made;
}

function exponential(values: Float64Array, period: number, weight: number): Float64Array {
  const made = new Float64Array(values.length).fill(Number.NaN);
  const seed = firstOf(values) + period - 1;
  if (seed >= values.length) return made;
  let mean = 0;
  for (let index = seed - period + 1; index <= seed; index++) mean += values[index] ?? Number.NaN;
  mean /= period;
  made[seed] = mean;
  for (let index = seed + 1; index < values.length; index++) {
    mean += weight * ((values[index] ?? Number.NaN) - mean);
    made[index] = mean;
  }
  return made;
}
