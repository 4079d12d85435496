import { describe, expect, it } from 'vitest';
import { type Examples, fitLogistic, logLoss, logOdds, probabilityOf } from './logistic.ts';
import { logisticRegression } from './logistic_regression.ts';

/** Made-up numbers from 0 to 1, the same at every run. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** Closes whose next move has the sign of the last one with this probability. */
function closesOf(length: number, goesOn: number, seed: number): number[] {
  const random = randomOf(seed);
  let price = 1_000;
  let sign = 1;
  return Array.from({ length }, () => {
    sign = random() < goesOn ? sign : -sign;
    price += sign * (0.5 + random());
    return price;
  });
}

const compute = (closes: readonly number[], { lags = 3, horizon = 1 } = {}) =>
  logisticRegression.compute(
    { close: Float64Array.from(closes) },
    { period: closes.length, lags, horizon },
  );

const examplesOf = (
  rows: readonly (readonly number[])[],
  classes: readonly number[],
): Examples => ({
  width: rows[0]?.length ?? 0,
  numbers: Float64Array.from(rows.flat()),
  classes: Uint8Array.from(classes),
});

describe('a fit', () => {
  it('is that of the base rate where the numbers say nothing', () => {
    const examples = examplesOf([[5], [5], [5], [5]], [1, 1, 1, 0]);
    const fit = fitLogistic(examples, 4);
    expect(fit?.intercept).toBeCloseTo(Math.log(3), 12);
    expect(fit?.weights).toEqual(Float64Array.of(0));
  });

  it('has a slope of which the likelihood less the ridge is highest', () => {
    const random = randomOf(3);
    const rows = Array.from({ length: 60 }, () => [random(), random(), random()]);
    const classes = rows.map(([a = 0, b = 0]) => (a - b + 0.5 * random() > 0.2 ? 1 : 0));
    const examples = examplesOf(rows, classes);
    const fit = fitLogistic(examples, 60);
    if (fit === null) throw new Error('there is no fit');
    const cost = (weights: Float64Array, intercept: number) =>
      classes.reduce(
        (sum, one, row) =>
          sum + logLoss(logOdds({ ...fit, weights, intercept }, examples, row), one === 1),
        weights.reduce((sum, weight) => sum + weight ** 2 / 2, 0),
      );
    const lowest = cost(fit.weights, fit.intercept);
    for (const by of [-1e-3, 1e-3]) {
      expect(cost(fit.weights, fit.intercept + by)).toBeGreaterThan(lowest);
      for (const place of [0, 1, 2]) {
        const moved = fit.weights.with(place, (fit.weights[place] ?? 0) + by);
        expect(cost(moved, fit.intercept)).toBeGreaterThan(lowest);
      }
    }
  });

  it.each([
    ['can be told apart', [[1], [2], [3], [4]], [0, 0, 1, 1]],
    [
      'say the same twice',
      [
        [1, 2],
        [2, 4],
        [3, 6],
        [4, 8],
      ],
      [0, 1, 0, 1],
    ],
    ['hold one that is far away', [[1], [2], [1], [1e12]], [0, 1, 0, 1]],
  ])('is there of numbers that %s', (_, rows, classes) => {
    const examples = examplesOf(rows, classes);
    const fit = fitLogistic(examples, 4);
    if (fit === null) throw new Error('there is no fit');
    for (const row of classes.keys()) {
      const probability = probabilityOf(logOdds(fit, examples, row));
      expect(probability).toBeGreaterThan(0);
      expect(probability).toBeLessThan(1);
    }
  });

  it('is not there of one class, or of what is no number', () => {
    expect(fitLogistic(examplesOf([[1], [2], [3]], [1, 1, 1]), 3)).toBeNull();
    expect(fitLogistic(examplesOf([[1], [2], [3]], [1, 1, 0]), 2)).toBeNull();
    expect(fitLogistic(examplesOf([[1], [Number.NaN], [3]], [1, 0, 0]), 3)).toBeNull();
  });

  it('loses nothing, and no more than it was sure, however sure it was', () => {
    expect(logLoss(0, true)).toBeCloseTo(Math.LN2, 15);
    expect(logLoss(1_000, true)).toBe(0);
    expect(logLoss(1_000, false)).toBe(1_000);
    expect(logLoss(Math.log(3), true)).toBeCloseTo(-Math.log(0.75), 15);
  });
});

describe('logistic_regression', () => {
  it.each([
    ['goes on', 0.8],
    ['turns', 0.2],
  ])('finds that a market %s, and says where to', (_, goesOn) => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const closes = closesOf(500, goesOn, seed);
      const reading = compute(closes);
      const [probability = Number.NaN, loss = 0, baseLoss = 0, uncertainty = 0] =
        reading?.outputs ?? [];
      const lastMove = (closes.at(-1) ?? 0) - (closes.at(-2) ?? 0);
      const next = Math.sign(lastMove) * (goesOn > 0.5 ? 1 : -1);
      expect(reading?.verdict).toBe(next);
      expect(Math.sign(probability - 0.5)).toBe(next);
      expect(reading?.strength).toBe(2 * probability - 1);
      expect(baseLoss - loss).toBeGreaterThan(uncertainty);
    }
  });

  it('is neutral where nothing is to be foreseen, and so tells what its probabilities were worth', () => {
    const readings = Array.from({ length: 60 }, (_, seed) => compute(closesOf(300, 0.5, seed + 1)));
    const proven = readings.filter(reading => reading?.verdict !== 0);
    expect(proven.length).toBeLessThanOrEqual(2);
    const worse = readings.filter(reading => {
      const [, loss = 0, baseLoss = 0] = reading?.outputs ?? [];
      return loss > baseLoss;
    });
    expect(worse.length).toBeGreaterThan(30);
  });

  it('has no verdict of what held in the first half of its window only', () => {
    const closes = closesOf(250, 0.9, 7);
    const last = closes.at(-1) ?? 0;
    const after = closesOf(250, 0.1, 8).map(price => price + last - 1_000);
    const [, loss = 0, baseLoss = 0] = compute([...closes, ...after])?.outputs ?? [];
    expect(compute([...closes, ...after])?.verdict).toBe(0);
    expect(loss).toBeGreaterThan(baseLoss);
  });

  it('leaves out bars after which the close was the same', () => {
    const closes = closesOf(300, 0.8, 1);
    // The last two moves stay as they are, so that only what is learnt may differ.
    const quiet = [...Array.from({ length: 200 }, () => closes[0] ?? 0), ...closes];
    const reading = compute(quiet, { lags: 1 });
    const plain = compute(closes, { lags: 1 });
    expect(reading?.outputs[2]).toBeCloseTo(plain?.outputs[2] ?? Number.NaN, 2);
    expect(reading?.verdict).toBe(plain?.verdict);
  });

  it('has no value where the close only ever rose, or hardly ever moved', () => {
    expect(compute(Array.from({ length: 200 }, (_, bar) => 100 + bar + (bar % 3)))).not.toBeNull();
    expect(compute(Array.from({ length: 200 }, (_, bar) => 100 + bar ** 1.1))).toBeNull();
    const moved = closesOf(30, 0.5, 1);
    expect(compute([...moved, ...Array.from({ length: 170 }, () => moved.at(-1) ?? 0)])).toBeNull();
  });
});
