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
import { last, range } from '../../smoothing.ts';

type Declared<Name extends ColumnName, Given extends Params> = Pick<
  Kind<Name | 'close', Given>,
  'kind' | 'description' | 'label' | 'definition' | 'parameters' | 'columns' | 'bars'
>;

/**
 * A kind that compares the close with an average of the closes. The average is taken of their distances from
 * the newest one, so that equal prices give exactly that price and no verdict comes from rounding.
 *
 * @param average Of the distances of the closes from the origin that it is given.
 */
export function priceAgainst<Name extends ColumnName, Given extends Params>(
  declared: Declared<Name, Given>,
  average: (columns: Columns<Name | 'close'>, params: Given, origin: number) => number,
): Kind<Name | 'close', Given> {
  return {
    ...declared,
    rule: 'Bullish while the close is above the average, bearish while it is below, neutral while they are equal but for rounding. The strength is their distance as a part of the range of the closes in the window, at most 1.',
    outputs: [{ name: declared.kind, unit: 'price', pane: 'price' }],
    isClosedOnly: false,
    defaults: [],
    compute(columns, params) {
      const price = last(columns.close);
      const distance = -average(columns, params, price);
      const reading = compared(distance, columns.close);
      return reading === null ? null : { outputs: [price - distance], ...reading };
    },
  };
}

/**
 * The verdict of a difference and its strength as a part of the range of the closes; null without a number.
 */
export function compared(
  difference: number,
  close: Float64Array,
): { verdict: Verdict; strength: number } | null {
  return weighed(difference, last(close), range(close, 0, close.length));
}

/**
 * The same where the range is known. Decimal prices are rounded as doubles, so that a mean that equals a price can be
 * off by some units of its last place: that is no difference.
 */
export function weighed(
  difference: number,
  price: number,
  most: number,
): { verdict: Verdict; strength: number } | null {
  if (!Number.isFinite(difference) || !Number.isFinite(most)) return null;
  const isSame = Math.abs(difference) <= 1e-12 * Math.abs(price);
  if (isSame) return { verdict: neutral, strength: 0 };
  const strength = Math.max(-1, Math.min(1, difference / most));
  return { verdict: difference > 0 ? bullish : bearish, strength };
}
