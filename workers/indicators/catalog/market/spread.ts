import { type Kind, neutral } from '../../kind.ts';
import { highest, last } from '../../smoothing.ts';

/** As many bars as may be asked for. */
const longest = 5_000;

/** Where a median is found: a copy made for each value would take longer than to find it. Nothing is kept in it. */
const room = new Float64Array(longest);

/** The spread of bid and ask: what it costs to go in and out. */
export const spread: Kind<'spread' | 'close', { period: number }> = {
  kind: 'spread',
  description:
    'Spread of bid and ask: the last ask of a bar less its last bid, as a price and in basis points of mid, beside the median of the last bars, and how much wider it is than that; only candles of mid have it',
  rule: 'Always neutral: it says what a trade costs, not where prices go. It is wider than usual where the excess is above 0.',
  label: 'Spread {period}',
  definition:
    'The quoted spread; its median among the last bars, itself included (of an even number the mean of the middle two), as a market that stops for a moment moves a mean for long; basis points of the last mid: 10,000 times the part of its distance from 0',
  parameters: [{ name: 'period', type: 'integer', min: 1, max: longest, default: 100 }],
  columns: ['spread', 'close'],
  bars: { least: [{ plus: 1 }], window: [{ period: 1 }] },
  outputs: [
    { name: 'spread', unit: 'price', pane: 'own' },
    { name: 'basis_points', unit: 'basis_points', pane: 'own' },
    { name: 'median', unit: 'price', pane: 'own' },
    { name: 'excess', unit: 'basis_points', pane: 'own', thresholds: [0] },
  ],
  isClosedOnly: false,
  defaults: [],
  compute({ spread, close }, { period }) {
    const newest = last(spread);
    const usual = medianOf(spread, Math.min(period, spread.length));
    const partOfMid = (price: number) => (10_000 * price) / Math.abs(last(close));
    return {
      outputs: [newest, partOfMid(newest), usual, partOfMid(newest - usual)],
      verdict: neutral,
      strength: 0,
    };
  },
};

/** Of the last `count` values; NaN when one of them is. */
function medianOf(values: Float64Array, count: number): number {
  const first = values.length - count;
  for (let index = 0; index < count; index++) {
    const value = values[first + index] ?? Number.NaN;
    if (Number.isNaN(value)) return Number.NaN;
    room[index] = value;
  }
  const middle = Math.floor(count / 2);
  const upper = find(count, middle);
  return count % 2 === 1 ? upper : (highest(room, 0, middle) + upper) / 2;
}

/**
 * C. A. R. Hoare's Find (1961): orders the first `count` values in the room only so far that none before the place is
 * greater than the one at it, and none behind it less.
 */
function find(count: number, place: number): number {
  const at = (index: number): number => room[index] ?? Number.NaN;
  let first = 0;
  let final = count - 1;
  while (first < final) {
    const pivot = at(place);
    let left = first;
    let right = final;
    while (left <= right) {
      while (at(left) < pivot) left++;
      while (at(right) > pivot) right--;
      if (left > right) break;
      const greater = at(left);
      room[left] = at(right);
      room[right] = greater;
      left++;
      right--;
    }
    if (right < place) first = left;
    if (left > place) final = right;
  }
  return at(place);
}
