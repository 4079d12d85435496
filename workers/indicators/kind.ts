/** A closed or forming candle of one side, as an indicator sees it. */
export interface Candle {
  /** Left edge, UTC, as the database prints it. */
  readonly bucket: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly sum: number;
  /** Sum of trade sizes; null when no tick had one. */
  readonly volume: number | null;
  readonly tickCount: number;
}

/** The one place that fixes the sign: +1 says that prices should rise. */
export type Verdict = 1 | 0 | -1;
export const bullish: Verdict = 1;
export const neutral: Verdict = 0;
export const bearish: Verdict = -1;

export interface Reading {
  readonly value: number;
  /** Named numbers to draw over the price. */
  readonly lines: Readonly<Record<string, number>> | null;
  readonly verdict: Verdict;
}

export type Params = Readonly<Record<string, number>>;

export interface Parameter {
  readonly name: string;
  readonly type: 'integer' | 'number';
  readonly min: number;
  readonly max: number;
  readonly default: number;
  readonly less_than?: string;
}

/** An indicator: what it is called, what it needs, and a pure function of its window. */
export interface Kind {
  readonly kind: string;
  readonly description: string;
  /** In words: when the verdict is bullish, bearish, neutral. */
  readonly rule: string;
  /** Text with `{parameter}` in it. */
  readonly label: string;
  readonly parameters: readonly Parameter[];
  /** Candles a value needs, as a sum: each parameter times its number, and `plus`. */
  readonly bars: Readonly<Record<string, number>>;
  /** What every instrument gets. */
  readonly defaults: readonly { timeframe: string; side?: string; params: Params }[];
  /**
   * @param window Exactly as many candles as `bars` says, oldest first; the last is the value's own.
   * @returns null when these candles allow no value.
   */
  readonly compute: (window: readonly Candle[], params: Params) => Reading | null;
}
