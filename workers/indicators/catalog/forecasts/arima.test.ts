import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { arima } from './arima.ts';
import { fitArma } from './arma.ts';

interface Golden {
  readonly end: number;
  readonly period: number;
  readonly order: string;
  readonly phi: number;
  readonly theta: number;
  readonly variance: number;
  readonly log_likelihood: number;
  readonly best_log_likelihood: number;
  readonly forecast: number;
  readonly deviation: number;
}

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../golden/${name}.json`, import.meta.url), 'utf8'));
const prices: readonly number[] = read('series').close;
const golden: readonly Golden[] = read('arima').cases;

const orderOf = (order: string) => ({
  isAutoregressive: order[1] === '1',
  isMovingAverage: order[5] === '1',
});
const movesOf = (close: readonly number[]) =>
  Float64Array.from(close.slice(1), (price, index) => price - (close[index] ?? Number.NaN));
const compute = (
  close: readonly number[],
  { order = 'best', horizon = 5, level = '0.95' }: Record<string, unknown> = {},
) =>
  arima.compute(
    { close: Float64Array.from(close) },
    {
      period: close.length,
      order: String(order),
      horizon: Number(horizon),
      level: String(level),
    },
  );

/** Made-up moves, each the same at every run: x(t) = φ x(t−1) + e(t) + θ e(t−1). */
function movedBy(phi: number, theta: number, length: number, drift = 0): number[] {
  let state = 12_345;
  const random = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
  const surprise = () => random() + random() + random() + random() - 2;
  let [price, move, before] = [1_000, 0, 0];
  return Array.from({ length }, () => {
    const now = surprise();
    move = phi * move + now + theta * before;
    before = now;
    price += move + drift;
    return price;
  });
}

describe('a fit', () => {
  it.each(golden)('of $order to $period bars that end at $end is that of statsmodels', given => {
    const window = prices.slice(given.end - given.period, given.end);
    const fit = fitArma(movesOf(window), orderOf(given.order));
    expect(fit?.phi).toBeCloseTo(given.phi, 7);
    expect(fit?.theta).toBeCloseTo(given.theta, 7);
    expect(fit?.logLikelihood).toBeCloseTo(given.log_likelihood, 6);
    // Its own search finds none better, but beyond our bound, next to a random walk.
    if (Math.abs(given.phi) < 0.9998) {
      expect(fit?.logLikelihood).toBeGreaterThan(given.best_log_likelihood - 1e-6);
    }
    const reading = compute(window, { order: given.order });
    const { low = Number.NaN, high = Number.NaN } = reading?.forecast ?? {};
    expect((reading?.outputs[0] ?? Number.NaN) / given.forecast).toBeCloseTo(1, 9);
    expect((high - low) / 2 / 1.959963984540054 / given.deviation).toBeCloseTo(1, 7);
  });

  it.each([
    [0.6, 0],
    [-0.5, 0],
    [0, 0.7],
    [0, -0.4],
    [0.7, 0.3],
    [-0.6, -0.3],
  ])('finds φ %d and θ %d again that moves were made with', (phi, theta) => {
    const order = { isAutoregressive: phi !== 0, isMovingAverage: theta !== 0 };
    const fit = fitArma(movesOf(movedBy(phi, theta, 5_000)), order);
    expect(fit?.phi).toBeCloseTo(phi, 1);
    expect(fit?.theta).toBeCloseTo(theta, 1);
    expect(fit?.variance).toBeCloseTo(1 / 3, 1);
  });

  it('scales with what it is fitted to, and is none of what does not move', () => {
    const moves = movesOf(prices.slice(0, 200));
    const order = orderOf('(1,1,1)');
    const fit = fitArma(moves, order);
    const scaled = fitArma(
      moves.map(move => 1_024 * move),
      order,
    );
    expect(scaled?.phi).toBe(fit?.phi);
    expect(scaled?.variance).toBe((fit?.variance ?? 0) * 1_024 ** 2);
    expect(fitArma(new Float64Array(100), order)).toBeNull();
    expect(fitArma(moves.with(50, Number.NaN), order)).toBeNull();
    expect(fitArma(moves.subarray(0, 9), order)).toBeNull();
  });
});

describe('arima', () => {
  it('takes the order with the lowest AICc when it is to take the best', () => {
    const window = prices.slice(400, 600);
    const fits = ['(1,1,0)', '(0,1,1)', '(1,1,1)'].map(order => ({
      order,
      aicc: fitArma(movesOf(window), orderOf(order))?.aicc ?? Number.NaN,
    }));
    const [first] = fits.toSorted((a, b) => a.aicc - b.aicc);
    expect(compute(window)?.outputs.slice(0, 3)).toEqual(
      compute(window, { order: first?.order })?.outputs.slice(0, 3),
    );
  });

  it('is bullish when moves that go on lead the whole interval above the close, and mirrored', () => {
    // Ever larger steps up, with hardly a surprise.
    const up = Array.from({ length: 100 }, (_, bar) => 1_000 + bar ** 1.5 + 0.01 * (bar % 3));
    const reading = compute(up, { order: '(1,1,0)', horizon: 1 });
    expect(reading).toMatchObject({ verdict: 1 });
    expect(reading?.strength).toBeGreaterThan(0);
    expect(reading?.forecast?.low).toBeGreaterThan(up.at(-1) ?? Number.NaN);
    const down = up.map(price => 3_000 - price);
    expect(compute(down, { order: '(1,1,0)', horizon: 1 })).toMatchObject({ verdict: -1 });
  });

  it('is neutral where nothing is to be foreseen, with an interval that widens', () => {
    const walk = movedBy(0, 0, 400);
    const [near, far] = [1, 20].map(horizon => compute(walk, { horizon }));
    expect([near?.verdict, far?.verdict]).toEqual([0, 0]);
    const width = (reading: typeof near) =>
      (reading?.forecast?.high ?? Number.NaN) - (reading?.forecast?.low ?? Number.NaN);
    expect(width(far)).toBeGreaterThan(3 * width(near));
  });

  it('says how many closes that it had not seen lay in its interval', () => {
    const coverage = (level: string) => compute(movedBy(0.3, 0, 1_000), { level })?.outputs[3];
    expect(coverage('0.95')).toBeGreaterThan(0.92);
    expect(coverage('0.95')).toBeLessThan(0.98);
    expect(coverage('0.80')).toBeGreaterThan(0.75);
    expect(coverage('0.80')).toBeLessThan(0.85);
  });
});
