import {
  bearish,
  bullish,
  type ColumnName,
  type Columns,
  type Kind,
  neutral,
  type Params,
  type Verdict,
} from '../../kind.ts';
import { last } from '../../smoothing.ts';

type Declared<Name extends ColumnName, Given extends Params> = Pick<
  Kind<Name | 'close', Given>,
  'kind' | 'description' | 'label' | 'definition' | 'parameters' | 'columns' | 'bars'
>;

/**
 * A kind that compares the close with an average of the closes. The average is taken of their distances from
 * the newest one, so that equal prices give exactly that price and no verdict comes from rounding.
 */
export function priceAgainst<Name extends ColumnName, Given extends Params>(
  declared: Declared<Name, Given>,
  average: (columns: Columns<Name | 'close'>, params: Given) => number,
): Kind<Name | 'close', Given> {
  return {
    ...declared,
    rule: 'Bullish while the close is above the average, bearish while it is below, neutral while they are equal but for rounding. The strength is their distance as a part of the range of the closes in the window, at most 1.',
    outputs: [{ name: declared.kind, unit: 'price', pane: 'price' }],
    isClosedOnly: false,
    defaults: [],
    compute(columns, params) {
      const price = last(columns.close);
      const distances = columns.close.map(close => close - price);
      const distance = -average({ ...columns, close: distances }, params);
      const reading = compared(distance, distances, price);
      return reading === null ? null : { outputs: [price - distance], ...reading };
    },
  };
}

/**
 * The verdict of a difference and its strength as a part of the range of the prices, which are distances from `price`;
 * null without a number. Decimal prices are rounded as doubles, so that a mean that equals a price can be off
 * by some units of its last place: that is no difference.
 */
export function compared(
  difference: number,
  prices: Float64Array,
  price: number,
): { verdict: Verdict; strength: number } | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const price of prices) {
    low = Math.min(low, price);
    high = Math.max(high, price);
  }
  if (!Number.isFinite(difference) || !Number.isFinite(high - low)) return null;
  if (Math.abs(difference) <= 1e-12 * Math.abs(price)) return { verdict: neutral, strength: 0 };
  const strength = Math.max(-1, Math.min(1, difference / (high - low)));
  return { verdict: difference > 0 ? bullish : bearish, strength };
}
