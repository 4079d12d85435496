import type { Params } from '../../workers/indicators/kind.ts';

/** What a vote is decided by: outputs of this bar and the one before, their closes, the EMA 50 of this bar. */
export interface Bar {
  readonly now: readonly number[];
  readonly before: readonly number[];
  /** Of the bar before that. */
  readonly earlier: readonly number[];
  readonly close: number;
  readonly trend: number;
}

export interface Vote {
  readonly group: 'moving averages' | 'oscillators';
  readonly kind: string;
  readonly params: Params;
  /** Both sides of the rule, as it is published. */
  readonly isBuy: (bar: Bar) => boolean;
  readonly isSell: (bar: Bar) => boolean;
}

/** Greater by more than rounding makes of numbers of this size: levels from 0 to 100, and prices. */
const isAbove = (value: number, other: number): boolean => value - other > 1e-7;
const isPriceAbove = (value: number, other: number, price: number): boolean =>
  value - other > 1e-12 * price;

const average = (kind: string, params: Params): Vote => ({
  group: 'moving averages',
  kind,
  params,
  isBuy: ({ now: [value = Number.NaN], close }) => isPriceAbove(close, value, close),
  isSell: ({ now: [value = Number.NaN], close }) => isPriceAbove(value, close, close),
});

const first = ({ now: [now = Number.NaN], before: [before = Number.NaN] }: Bar) => ({
  now,
  before,
  isRising: isAbove(now, before),
  isFalling: isAbove(before, now),
});

/** Two lines are both in the zone, and the first has crossed the second. */
const crossed = ({ now: [k = Number.NaN, d = Number.NaN] }: Bar) => ({
  isBuy: k < 20 && d < 20 && isAbove(k, d),
  isSell: k > 80 && d > 80 && isAbove(d, k),
});

const oscillator = (
  kind: string,
  params: Params,
  isBuy: (bar: Bar) => boolean,
  isSell: (bar: Bar) => boolean,
): Vote => ({ group: 'oscillators', kind, params, isBuy, isSell });

const saucer = (bar: Bar, sign: 1 | -1): boolean => {
  const [now, before, earlier] = [bar.now, bar.before, bar.earlier].map(
    ([value = Number.NaN]) => sign * value,
  ) as [number, number, number];
  return now > 0 && before > 0 && earlier > 0 && now > before && before < earlier;
};

const periods = [10, 20, 30, 50, 100, 200];

/** The 26 votes of a rating, their rules written down a second time. */
export const votes: readonly Vote[] = [
  ...periods.map(period => average('sma', { period })),
  ...periods.map(period => average('ema', { period })),
  average('hma', { period: 9 }),
  average('vwma', { period: 20 }),
  {
    group: 'moving averages',
    kind: 'ichimoku',
    params: { conversion: 9, base: 26, span: 52, displacement: 26 },
    isBuy: ({ now: [conversion = 0, base = 0, a = 0, b = 0], close }) =>
      a > b && base > a && conversion > base && close > conversion,
    isSell: ({ now: [conversion = 0, base = 0, a = 0, b = 0], close }) =>
      a < b && base < a && conversion < base && close < conversion,
  },
  oscillator(
    'rsi',
    { period: 14, signal: 'turn' },
    bar => first(bar).now < 30 && first(bar).isRising,
    bar => first(bar).now > 70 && first(bar).isFalling,
  ),
  oscillator(
    'stochastic',
    { period: 14, k_smoothing: 3, d_smoothing: 3 },
    bar => crossed(bar).isBuy,
    bar => crossed(bar).isSell,
  ),
  oscillator(
    'cci',
    { period: 20 },
    bar => first(bar).now < -100 && first(bar).isRising,
    bar => first(bar).now > 100 && first(bar).isFalling,
  ),
  oscillator(
    'adx',
    { period: 14 },
    bar => first(bar).now > 20 && first(bar).isRising && (bar.now[1] ?? 0) > (bar.now[2] ?? 0),
    bar => first(bar).now > 20 && first(bar).isRising && (bar.now[1] ?? 0) < (bar.now[2] ?? 0),
  ),
  oscillator(
    'awesome_oscillator',
    { fast: 5, slow: 34 },
    bar => (first(bar).now > 0 && first(bar).before <= 0) || saucer(bar, 1),
    bar => (first(bar).now < 0 && first(bar).before >= 0) || saucer(bar, -1),
  ),
  oscillator(
    'momentum',
    { period: 10 },
    ({ now: [now = 0], before: [before = 0], close }) => isPriceAbove(now, before, close),
    ({ now: [now = 0], before: [before = 0], close }) => isPriceAbove(before, now, close),
  ),
  oscillator(
    'macd',
    { fast: 12, slow: 26, signal: 9 },
    ({ now: [line = 0, signal = 0], close }) => isPriceAbove(line, signal, close),
    ({ now: [line = 0, signal = 0], close }) => isPriceAbove(signal, line, close),
  ),
  oscillator(
    'stochastic_rsi',
    { k_smoothing: 3, d_smoothing: 3, rsi_period: 14, stochastic_period: 14, trend_period: 50 },
    bar => bar.close < bar.trend && crossed(bar).isBuy,
    bar => bar.close > bar.trend && crossed(bar).isSell,
  ),
  oscillator(
    'williams_r',
    { period: 14 },
    bar => first(bar).now < -80 && first(bar).isRising,
    bar => first(bar).now > -20 && first(bar).isFalling,
  ),
  oscillator(
    'bull_bear_power',
    { period: 13, trend_period: 50 },
    ({ now: [, , bear = 0], before: [, , bearBefore = 0], close, trend }) =>
      close > trend && bear < 0 && bear > bearBefore,
    ({ now: [, bull = 0], before: [, bullBefore = 0], close, trend }) =>
      close < trend && bull > 0 && bull < bullBefore,
  ),
  oscillator(
    'ultimate_oscillator',
    { short: 7, medium: 14, long: 28 },
    bar => first(bar).now > 70,
    bar => first(bar).now < 30,
  ),
];
