// What the kinds that weigh by volume are made of.

/** Below this part of all that could have flowed, a difference is rounding: prices hardly differ in their first digits. */
const rounding = 1e-9;

/**
 * What each bar weighs: the size of its trades, 0 without any; the number of its ticks where no bar of the window has
 * a size, as of quotes.
 */
export function sizesOf(volume: Float64Array, tickCount: Float64Array): Float64Array {
  if (volume.every(Number.isNaN)) return tickCount;
  return volume.map(size => (Number.isNaN(size) ? 0 : size));
}

/** Sum of flows, and what part it is of all that could have flowed, from -1 to 1; NaN where nothing could. */
export function balance(
  flows: Float64Array,
  possible: Float64Array,
): { readonly sum: number; readonly share: number } {
  let sum = 0;
  let most = 0;
  for (const [index, flow] of flows.entries()) {
    sum += flow;
    most += possible[index] ?? Number.NaN;
  }
  const share = Math.max(-1, Math.min(1, sum / most));
  return { sum, share: Math.abs(share) <= rounding ? 0 : share };
}

/** Where in its range each bar closed, from -1 at the low to 1 at the high; 0 of a bar without a range. */
export function closeLocations(
  high: Float64Array,
  low: Float64Array,
  close: Float64Array,
): Float64Array {
  return close.map((price, index) => {
    const [top, bottom] = [high[index] ?? Number.NaN, low[index] ?? Number.NaN];
    return top === bottom ? 0 : (price - bottom - (top - price)) / (top - bottom);
  });
}
