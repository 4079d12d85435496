/**
 * What of a candle a kind can read. `start` is its left edge in seconds since 1970 (UTC), `average` is
 * sum / tick_count, `typical` the mean of high, low and close, `volume` the sum of trade sizes, `spread` the last ask less the last bid, which only
 * candles of mid have.
 */
export type ColumnName =
  | 'start'
  | 'open'
  | 'high'
  | 'low'
  | 'close'
  | 'average'
  | 'typical'
  | 'volume'
  | 'tick_count'
  | 'spread';

/** Equally long, oldest candle first; NaN where a candle has no such number. */
export type Columns<Name extends ColumnName = ColumnName> = Readonly<Record<Name, Float64Array>>;

/** The one place that fixes the sign: +1 says that prices should rise. */
export type Verdict = 1 | 0 | -1;
export const bullish: Verdict = 1;
export const neutral: Verdict = 0;
export const bearish: Verdict = -1;

export interface Reading {
  /** As the kind declares them; the first is the value. */
  readonly outputs: readonly number[];
  readonly verdict: Verdict;
  /** How clear the verdict is, from 0 to 1, with its sign. */
  readonly strength: number;
  /** So many bars ahead the price lies between these two. */
  readonly forecast?: { readonly horizon: number; readonly low: number; readonly high: number };
}

/** Complete and within their bounds: the database checks them. */
export type Params = Readonly<Record<string, number | string>>;

export type Parameter =
  | {
      readonly name: string;
      readonly type: 'integer' | 'number';
      readonly min: number;
      readonly max: number;
      readonly default: number;
      /** Another parameter, which is greater. */
      readonly less_than?: string;
    }
  | {
      readonly name: string;
      readonly type: 'choice';
      readonly choices: readonly string[];
      readonly default: string;
    };

export interface Output {
  readonly name: string;
  readonly unit: 'price' | 'percent' | 'ratio' | 'count' | 'probability' | 'basis_points';
  /** Drawn over the price, or below it on a scale of its own. */
  readonly pane: 'price' | 'own';
  readonly thresholds?: readonly number[];
}

/** Each parameter times its number, and `plus`. */
export type Sum = Readonly<Record<string, number>>;

/** An indicator: what it is called, what it needs, and a pure function of its window. */
export interface Kind<Name extends ColumnName = ColumnName, Given extends Params = Params> {
  readonly kind: string;
  readonly description: string;
  /** In words: when the verdict is bullish, bearish, neutral. */
  readonly rule: string;
  /** Text with `{parameter}` in it. */
  readonly label: string;
  /** Where the formula comes from. */
  readonly definition: string;
  readonly parameters: readonly Parameter[];
  readonly columns: readonly Name[];
  /** Candles that it needs at least, and the most that it reads: the largest of the sums counts. */
  readonly bars: { readonly least: readonly Sum[]; readonly window: readonly Sum[] };
  readonly outputs: readonly Output[];
  /** It has no value of a candle that still forms. */
  readonly isClosedOnly: boolean;
  /** It divides by prices or takes their logarithms: no value where one of the window is not above zero. */
  readonly needsPositive?: true;
  /** What every instrument gets. */
  readonly defaults: readonly { timeframe: string; side?: string; params: Params }[];
  /**
   * A method, so that a kernel may name the columns and parameters that its kind declares.
   *
   * @param columns Of at least `bars.least` candles, and of `bars.window` if so many exist; the last one is
   *   the value's own.
   * @returns null when these candles allow no value; so does an output that is no finite number.
   */
  compute(columns: Columns<Name>, params: Given): Reading | null;
}
