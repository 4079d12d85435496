import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  AO,
  CCI,
  ElderRay,
  EMA,
  MACD,
  MOM,
  ROC,
  StochasticOscillator,
  TSI,
  UltimateOscillator,
  WilliamsR,
} from 'trading-signals';
import { describe, expect, it } from 'vitest';
import { catalog } from '../../catalog.ts';
import type { ColumnName, Columns, Kind, Params, Reading, Verdict } from '../../kind.ts';
import { windowOf } from '../tests/golden.ts';

interface Bar {
  readonly high: number;
  readonly low: number;
  readonly close: number;
}

function kindOf(name: string): Kind {
  const kind = catalog.get(name);
  if (kind === undefined) throw new Error(`no kind ${name}`);
  return kind;
}

const columnsOf = (bars: readonly Bar[]): Columns => {
  const column = (number: (bar: Bar) => number) => Float64Array.from(bars, number);
  const [high, low, close] = [column(b => b.high), column(b => b.low), column(b => b.close)];
  return {
    open: close,
    high,
    low,
    close,
    average: close,
    typical: close,
    volume: close,
    tick_count: close,
    spread: close,
    start: close,
  };
};

/** As everywhere, an output that is no finite number means no value. */
function compute(name: string, params: Params, bars: readonly Bar[]): Reading | null {
  const reading = kindOf(name).compute(columnsOf(bars), params);
  return reading?.outputs.every(Number.isFinite) ? reading : null;
}

/** Bars that are their close, or have the same high and low all the time. */
const flat = (...closes: number[]): Bar[] =>
  closes.map(close => ({ high: close, low: close, close }));
const between = (...closes: number[]): Bar[] => closes.map(close => ({ high: 100, low: 0, close }));
const bar = (high: number, low: number, close: number): Bar => ({ high, low, close });

const golden: Record<ColumnName, number[]> = JSON.parse(
  readFileSync(join(import.meta.dirname, '../golden/series.json'), 'utf8'),
);
/** In hundred thousandths, so that sums and differences are exact. */
const market: Bar[] = golden.close.map((close, index) => ({
  high: Math.round((golden.high[index] ?? Number.NaN) * 1e5),
  low: Math.round((golden.low[index] ?? Number.NaN) * 1e5),
  close: Math.round(close * 1e5),
}));

describe('worked out by hand', () => {
  const stochastic = { period: 3, k_smoothing: 1, d_smoothing: 2 };
  const elder = { period: 2, trend_period: 2 };
  it.each<[string, Params, Bar[], number[], Verdict, number]>([
    ['stochastic', stochastic, between(50, 50, 10, 15), [15, 12.5], 1, 0.25],
    ['stochastic', stochastic, between(50, 50, 90, 85), [85, 87.5], -1, -0.25],
    ['stochastic', stochastic, between(50, 50, 15, 10), [10, 12.5], 0, 0],
    ['stochastic', stochastic, between(50, 50, 85, 90), [90, 87.5], 0, 0],
    ['stochastic', stochastic, between(50, 50, 10, 20), [20, 15], 0, 0],
    ['stochastic', stochastic, between(50, 50, 25, 15), [15, 20], 0, 0],

    ['williams_r', { period: 3 }, between(50, 50, 5, 10), [-90], 1, 0.5],
    ['williams_r', { period: 3 }, between(50, 50, 95, 90), [-10], -1, -0.5],
    ['williams_r', { period: 3 }, between(50, 50, 10, 5), [-95], 0, 0],
    ['williams_r', { period: 3 }, between(50, 50, 10, 20), [-80], 0, 0],
    ['williams_r', { period: 3 }, between(50, 50, 5), [-95], 0, 0],

    ['cci', { period: 5 }, flat(10, 10, 10, 10, 5, 1), [-6.2 / 0.0504], 1, 1 - 5.04 / 6.2],
    ['cci', { period: 5 }, flat(0, 0, 0, 0, 5, 9), [6.2 / 0.0504], -1, 5.04 / 6.2 - 1],
    ['cci', { period: 5 }, flat(0, 1, 2, 3, 4, 9), [5.2 / 0.0324], 0, 0],
    ['cci', { period: 5 }, flat(0, 1, 2, 3, 4), [2 / 0.018], 0, 0],

    ['momentum', { period: 1 }, flat(1, 2, 4), [2], 1, 1 / 3],
    ['momentum', { period: 1 }, flat(4, 2, 1), [-1], 1, 1 / 3],
    ['momentum', { period: 1 }, flat(1, 2, 1), [-1], -1, -1],
    ['momentum', { period: 1 }, flat(1, 2), [1], 0, 0],
    // As doubles the two differences are not equal.
    ['momentum', { period: 1 }, flat(1.1, 1.2, 1.3), [0.1], 0, 0],

    ['rate_of_change', { period: 2 }, flat(100, 90, 110), [10], 1, 0.5],
    ['rate_of_change', { period: 2 }, flat(100, 110, 90), [-10], -1, -0.5],
    ['rate_of_change', { period: 2 }, flat(100, 110, 100), [0], 0, 0],

    ['macd', { fast: 2, slow: 3, signal: 2 }, flat(1, 1, 1, 2), [1 / 6, 1 / 12, 1 / 12], 1, 1 / 3],
    [
      'macd',
      { fast: 2, slow: 3, signal: 2 },
      flat(1, 1, 1, 0),
      [-1 / 6, -1 / 12, -1 / 12],
      -1,
      -1 / 3,
    ],
    ['macd', { fast: 2, slow: 3, signal: 2 }, flat(1, 2, 3, 4), [0.5, 0.5, 0], 0, 0],

    ['awesome_oscillator', { fast: 1, slow: 2 }, flat(2, 1, 2), [0.5], 1, 0.5],
    ['awesome_oscillator', { fast: 1, slow: 2 }, flat(1, 1, 2), [0.5], 1, 0.5],
    ['awesome_oscillator', { fast: 1, slow: 2 }, flat(1, 2, 1), [-0.5], -1, -0.5],
    ['awesome_oscillator', { fast: 1, slow: 2 }, flat(0, 3, 4, 6), [1], 1, 0.5],
    ['awesome_oscillator', { fast: 1, slow: 2 }, flat(6, 3, 2, 0), [-1], -1, -0.5],
    ['awesome_oscillator', { fast: 1, slow: 2 }, flat(0, 1, 3, 6), [1.5], 0, 0],
    ['awesome_oscillator', { fast: 1, slow: 2 }, flat(0, 2, 3, 4), [0.5], 0, 0],
    // Its third bar from the end is below zero.
    ['awesome_oscillator', { fast: 1, slow: 2 }, flat(1, 0, 1, 3), [1], 0, 0],
    ['awesome_oscillator', { fast: 1, slow: 2 }, flat(1, 2), [0.5], 0, 0],

    [
      'ultimate_oscillator',
      { short: 1, medium: 2, long: 3 },
      between(80, 80, 80, 80),
      [80],
      1,
      1 / 3,
    ],
    [
      'ultimate_oscillator',
      { short: 1, medium: 2, long: 3 },
      between(20, 20, 20, 20),
      [20],
      -1,
      -1 / 3,
    ],
    [
      'ultimate_oscillator',
      { short: 1, medium: 2, long: 3 },
      between(50, 0, 0, 100),
      [500 / 7 + 100 / 21],
      1,
      (500 / 7 + 100 / 21 - 70) / 30,
    ],
    ['ultimate_oscillator', { short: 1, medium: 2, long: 3 }, between(69, 69, 69, 69), [69], 0, 0],

    [
      'bull_bear_power',
      elder,
      [bar(11, 9, 10), bar(12, 4, 10), bar(14, 9, 13)],
      [-1, 2, -3],
      1,
      0.5,
    ],
    [
      'bull_bear_power',
      elder,
      [bar(11, 9, 10), bar(16, 8, 10), bar(11, 6, 7)],
      [1, 3, -2],
      -1,
      -0.5,
    ],
    ['bull_bear_power', elder, [bar(11, 9, 10), bar(12, 4, 10), bar(14, 5, 13)], [-5, 2, -7], 0, 0],
    // Bears give way, but the close is below its average.
    ['bull_bear_power', elder, [bar(11, 9, 10), bar(12, 2, 10), bar(7, 6, 7)], [-3, -1, -2], 0, 0],

    ['trix', { period: 2 }, flat(1, 1, 1, 1, 2), [800 / 27], 1, 1],
    ['trix', { period: 2 }, flat(1, 1, 1, 1, 0.5), [-400 / 27], -1, -1],
    ['trix', { period: 2 }, flat(0.1, 0.1, 0.1, 0.1, 0.1), [0], 0, 0],

    ['tsi', { long: 2, short: 2 }, flat(0, 1, 2, 3), [100], 1, 1],
    ['tsi', { long: 2, short: 2 }, flat(3, 2, 1, 0), [-100], -1, -1],
    ['tsi', { long: 2, short: 2 }, flat(10, 11, 10, 11), [100 / 3], 1, 1 / 3],
    ['tsi', { long: 2, short: 2 }, flat(10, 11, 12, 10), [0], 0, 0],
  ])('%s %j of %j is %j with verdict %d, strength %d', (name, params, bars, ...expected) => {
    const [outputs, verdict, strength] = expected;
    const reading = compute(name, params, bars);
    expect(reading?.verdict).toBe(verdict);
    expect(reading?.strength).toBeCloseTo(strength, 12);
    expect(reading?.outputs).toEqual(outputs.map(value => expect.closeTo(value, 10)));
  });

  it('has no value where nothing moved, or there is no base', () => {
    const still = flat(...Array.from({ length: 60 }, () => 7));
    for (const name of [
      'stochastic',
      'stochastic_rsi',
      'williams_r',
      'cci',
      'ultimate_oscillator',
      'tsi',
    ]) {
      const presets = kindOf(name).parameters.map(each => [each.name, each.default]);
      expect(compute(name, Object.fromEntries(presets), still), name).toBeNull();
    }
    // The RSI of a market that has stopped is the same for ever, but for rounding.
    const stopped = [
      ...market.slice(0, 600),
      ...flat(...Array.from({ length: 40 }, () => 107_000)),
    ];
    expect(
      compute(
        'stochastic_rsi',
        { k_smoothing: 3, d_smoothing: 3, rsi_period: 14, stochastic_period: 14, trend_period: 50 },
        stopped,
      ),
    ).toBeNull();
    expect(compute('rate_of_change', { period: 2 }, flat(0, 1, 2))).toBeNull();
    expect(compute('trix', { period: 2 }, flat(-1, -1, -1, -1, -2))).toBeNull();
  });

  it('has no TRIX as long as one of the averages that it divides by is not above zero', () => {
    const trixOf = (...closes: number[]) =>
      compute('trix', { period: 2 }, flat(9, 9, 9, 9, ...closes));
    // Smoothed three times, 8/27 of the way: from 9 to 0.41, and to -0.19.
    expect(trixOf(-20, 300)).not.toBeNull();
    expect(trixOf(-22, 300)).toBeNull();
    // Its strength is a part of the change before, which has none.
    expect(trixOf(-22, 300, 300)).toBeNull();
    expect(trixOf(-22, 300, 300, 300)).not.toBeNull();
  });
});

/** The last readings of a market, oldest first; each of exactly its window. */
function readingsOf(name: string, params: Params, bars: readonly Bar[]): (Reading | null)[] {
  const kind = kindOf(name);
  const window = windowOf(kind, params);
  const columns = columnsOf(bars);
  return bars.slice(window - 1).map((_, from) => {
    const [high, low, close] = [columns.high, columns.low, columns.close].map(column =>
      column.subarray(from, from + window),
    ) as [Float64Array, Float64Array, Float64Array];
    return kind.compute({ ...columns, high, low, close }, params);
  });
}

/** What the outputs are, of this bar, the one before and the one before that. */
type Rule = (now: number[], before: number[], earlier: number[], trend: number) => Verdict;

const either = (isBullish: boolean, isBearish: boolean): Verdict =>
  isBullish ? 1 : isBearish ? -1 : 0;
const [x, y, z] = [0, 1, 2].map(place => (outputs: number[]) => outputs[place] ?? Number.NaN) as [
  (outputs: number[]) => number,
  (outputs: number[]) => number,
  (outputs: number[]) => number,
];
const ofSide: Rule = now => either(x(now) > 0, x(now) < 0);
const crossInExtreme = (now: number[]): Verdict =>
  either(
    x(now) < 20 && y(now) < 20 && x(now) > y(now),
    x(now) > 80 && y(now) > 80 && x(now) < y(now),
  );

// The trend is the close minus its exponential average of 50 bars, by the other implementation.
const rules: [string, Params, Rule][] = [
  ['stochastic', { period: 14, k_smoothing: 3, d_smoothing: 3 }, crossInExtreme],
  [
    'stochastic_rsi',
    { k_smoothing: 3, d_smoothing: 3, rsi_period: 14, stochastic_period: 14, trend_period: 50 },
    (now, _, __, trend) => {
      const verdict = crossInExtreme(now);
      return verdict === -Math.sign(trend) ? verdict : 0;
    },
  ],
  ['macd', { fast: 12, slow: 26, signal: 9 }, now => either(x(now) > y(now), x(now) < y(now))],
  [
    'cci',
    { period: 20 },
    (now, before) =>
      either(x(now) < -100 && x(now) > x(before), x(now) > 100 && x(now) < x(before)),
  ],
  [
    'williams_r',
    { period: 14 },
    (now, before) => either(x(now) < -80 && x(now) > x(before), x(now) > -20 && x(now) < x(before)),
  ],
  ['momentum', { period: 10 }, (now, before) => either(x(now) > x(before), x(now) < x(before))],
  ['rate_of_change', { period: 10 }, ofSide],
  [
    'awesome_oscillator',
    { fast: 5, slow: 34 },
    (now, before, earlier) => {
      const [a, b, c] = [x(now), x(before), x(earlier)];
      return either(
        a > 0 && (b <= 0 || (c > 0 && b < c && b < a)),
        a < 0 && (b >= 0 || (c < 0 && b > c && b > a)),
      );
    },
  ],
  [
    'ultimate_oscillator',
    { short: 3, medium: 6, long: 12 },
    now => either(x(now) > 70, x(now) < 30),
  ],
  [
    'bull_bear_power',
    { period: 13, trend_period: 50 },
    (now, before, _, trend) =>
      either(
        trend > 0 && z(now) < 0 && z(now) > z(before),
        trend < 0 && y(now) > 0 && y(now) < y(before),
      ),
  ],
  ['trix', { period: 15 }, ofSide],
  ['tsi', { long: 25, short: 13 }, ofSide],
];

const average = new EMA(50);
const trends = market.map(({ close }) => close - average.update(close, false));

describe.each(rules)('the verdict of %s %j', (name, params, rule) => {
  const readings = readingsOf(name, params, market);
  const verdicts = readings.map(reading => reading?.verdict);

  it('is what its rule says of its outputs, at every bar of a market', () => {
    const outputs = readings.map(reading => [...(reading?.outputs ?? [])]);
    const first = market.length - readings.length;
    const expected = outputs.map((now, index) =>
      rule(now, outputs[index - 1] ?? [], outputs[index - 2] ?? [], trends[first + index] ?? 0),
    );
    expect(verdicts.slice(2)).toEqual(expected.slice(2));
    const kinds = new Set(verdicts);
    expect(kinds.has(1) && kinds.has(-1)).toBe(true);
  });

  it('turns round when the market is turned upside down', () => {
    const turned = market.map(({ high, low, close }) => ({
      high: 220_000 - low,
      low: 220_000 - high,
      close: 220_000 - close,
    }));
    const others = readingsOf(name, params, turned);
    expect(others.map(reading => 0 - (reading?.verdict ?? 0))).toEqual(
      verdicts.map(verdict => verdict ?? 0),
    );
  });
});

interface Streaming<Result> {
  update(bar: Bar, replace: boolean): Result | null;
}
const ofClose = <Result>(other: {
  update(close: number, replace: boolean): Result | null;
}): Streaming<Result> => ({ update: ({ close }, replace) => other.update(close, replace) });

/** The last result of another implementation after the whole market. */
function other<Result>(
  indicator: Streaming<Result>,
  outputs: (result: Result) => number[],
): () => number[] {
  return () => {
    let result: Result | null = null;
    for (const each of market) result = indicator.update(each, false);
    if (result === null) throw new Error('no result');
    return outputs(result);
  };
}
const same = (result: number): number[] => [result];

describe('another implementation gives the same', () => {
  it.each<[string, Params, () => number[]]>([
    [
      'stochastic',
      { period: 14, k_smoothing: 3, d_smoothing: 3 },
      other(
        new StochasticOscillator({ kPeriod: 14, kSlowingPeriod: 3, dPeriod: 3 }),
        ({ stochK, stochD }) => [stochK, stochD],
      ),
    ],
    [
      'macd',
      { fast: 12, slow: 26, signal: 9 },
      other(
        ofClose(new MACD(new EMA(12), new EMA(26), new EMA(9))),
        ({ macd, signal, histogram }) => [macd, signal, histogram],
      ),
    ],
    ['cci', { period: 20 }, other(new CCI(20), same)],
    ['williams_r', { period: 14 }, other(new WilliamsR(14), same)],
    ['momentum', { period: 10 }, other(ofClose(new MOM(10)), same)],
    ['rate_of_change', { period: 10 }, other(ofClose(new ROC(10)), result => [100 * result])],
    ['awesome_oscillator', { fast: 5, slow: 34 }, other(new AO(5, 34), same)],
    [
      'ultimate_oscillator',
      { short: 7, medium: 14, long: 28 },
      other(new UltimateOscillator(), same),
    ],
    [
      'bull_bear_power',
      { period: 13, trend_period: 50 },
      other(new ElderRay(13), ({ bullPower, bearPower }) => [
        bullPower + bearPower,
        bullPower,
        bearPower,
      ]),
    ],
    [
      'tsi',
      { long: 25, short: 13 },
      other(ofClose(new TSI({ longPeriod: 25, shortPeriod: 13 })), same),
    ],
  ])('for %s %j', (name, params, expected) => {
    const given = readingsOf(name, params, market).at(-1)?.outputs ?? [];
    const wanted = expected();
    expect(given).toHaveLength(wanted.length);
    for (const [place, value] of wanted.entries()) {
      expect(Math.abs((given[place] ?? Number.NaN) - value)).toBeLessThanOrEqual(
        1e-9 * Math.abs(value),
      );
    }
  });
});
