// Autoregression and moving average of a series around zero: x(t) = φ x(t−1) + e(t) + θ e(t−1).

/** Which of the two coefficients are looked for; the other one is 0. */
export interface Order {
  readonly isAutoregressive: boolean;
  readonly isMovingAverage: boolean;
}

export interface Fit {
  readonly phi: number;
  readonly theta: number;
  /** Of the innovations e. */
  readonly variance: number;
  readonly logLikelihood: number;
  /** Akaike's criterion with the correction for short series: the lowest is the best. */
  readonly aicc: number;
}

/** One step ahead of each value and of the end: what was expected, and its variance in those of the innovations. */
interface Expectation {
  readonly expected: Float64Array;
  readonly relativeVariance: Float64Array;
}

/** Coefficients stay so far from 1, where the process would be a random walk, or not invertible. */
const bound = 0.9999;
const precision = 1e-9;
/** So many of the best starts are followed: the likelihood has several summits. */
const simplexes = 3;
const axis = [
  0, 0.15, -0.15, 0.3, -0.3, 0.45, -0.45, 0.6, -0.6, 0.75, -0.75, 0.9, -0.9, 0.98, -0.98,
];
/** How far θ is from −φ, where both cancel each other: along that line lies a ridge, often with the summit. */
const besideRidge = [0.03, -0.03, 0.1, -0.1, 0.25, -0.25, 0.5, -0.5, 0.9, -0.9];

/**
 * Maximum likelihood, exact, by the innovations algorithm: by simplexes from the best points of a grid. The same
 * series gives the same fit; one that is scaled gives a fit that is scaled.
 *
 * @returns null of a series that does not move, holds a NaN or is shorter than ten values.
 */
export function fitArma(series: Float64Array, order: Order): Fit | null {
  const scale = Math.sqrt(meanSquare(series));
  if (!(scale > 0) || !Number.isFinite(scale) || series.length < 10) return null;
  const unit = series.map(value => value / scale);
  const cost = ([phi = 0, theta = 0]: readonly number[]): number => {
    if (Math.abs(phi) > bound || Math.abs(theta) > bound) return Number.POSITIVE_INFINITY;
    return -likelihood(unit, phi, theta).logLikelihood;
  };
  const free = [order.isAutoregressive, order.isMovingAverage];
  const [phi = 0, theta = 0] = startsOf(order)
    .map(point => ({ point, cost: cost(point) }))
    .toSorted((a, b) => a.cost - b.cost)
    .slice(0, simplexes)
    .map(({ point }) => minimise(cost, point, free))
    .reduce((a, b) => (cost(b) < cost(a) ? b : a));
  const { logLikelihood, variance } = likelihood(unit, phi, theta);
  const count = series.length;
  const own = logLikelihood - count * Math.log(scale);
  const parameters = free.filter(Boolean).length + 1;
  const aicc =
    -2 * own + 2 * parameters + (2 * parameters * (parameters + 1)) / (count - parameters - 1);
  return { phi, theta, variance: variance * scale * scale, logLikelihood: own, aicc };
}

function startsOf({ isAutoregressive, isMovingAverage }: Order): number[][] {
  if (!isMovingAverage) return axis.map(phi => [phi, 0]);
  if (!isAutoregressive) return axis.map(theta => [0, theta]);
  return axis.flatMap(phi => besideRidge.map(beside => [phi, beside - phi]));
}

/** What each value, and the one after the last, was expected to be by those before it. */
export function expectArma(series: Float64Array, phi: number, theta: number): Expectation {
  const expected = new Float64Array(series.length + 1);
  const relativeVariance = new Float64Array(series.length + 1);
  relativeVariance[0] = (1 + 2 * phi * theta + theta * theta) / (1 - phi * phi);
  for (let index = 0; index < series.length; index++) {
    const value = series[index] ?? Number.NaN;
    const variance = relativeVariance[index] ?? Number.NaN;
    const surprise = value - (expected[index] ?? Number.NaN);
    expected[index + 1] = phi * value + (theta / variance) * surprise;
    relativeVariance[index + 1] = 1 + theta * theta - (theta * theta) / variance;
  }
  return { expected, relativeVariance };
}

/** As {@link expectArma}, but for the sums only: a fit asks for them some hundred times. */
function likelihood(series: Float64Array, phi: number, theta: number) {
  const count = series.length;
  const after = theta * theta;
  let expected = 0;
  let variance = (1 + 2 * phi * theta + after) / (1 - phi * phi);
  let squares = 0;
  let logs = 0;
  for (let index = 0; index < count; index++) {
    const value = series[index] ?? Number.NaN;
    const surprise = value - expected;
    squares += (surprise * surprise) / variance;
    // It soon comes to 1, of which the logarithm is 0.
    if (variance !== 1) logs += Math.log(variance);
    expected = phi * value + (theta / variance) * surprise;
    variance = 1 + after - after / variance;
  }
  const ofInnovations = squares / count;
  return {
    variance: ofInnovations,
    logLikelihood: -(count / 2) * (Math.log(2 * Math.PI * ofInnovations) + 1) - logs / 2,
  };
}

/** J. A. Nelder and R. Mead, A Simplex Method for Function Minimization (1965), over the coordinates that are free. */
function minimise(
  cost: (point: readonly number[]) => number,
  from: readonly number[],
  free: readonly boolean[],
): readonly number[] {
  const axes = free.flatMap((isFree, axis) => (isFree ? [axis] : []));
  const moved = (axis: number) => from.with(axis, (from[axis] ?? 0) + 0.05);
  let simplex = [from, ...axes.map(moved)].map(point => ({ point, cost: cost(point) }));
  const along = (one: readonly number[], other: readonly number[], share: number) => {
    const point = one.map((value, axis) => value + share * ((other[axis] ?? 0) - value));
    return { point, cost: cost(point) };
  };
  for (let round = 0; round < 400; round++) {
    simplex = simplex.toSorted((a, b) => a.cost - b.cost);
    const [best, worst, second] = [simplex[0], simplex.at(-1), simplex.at(-2)];
    if (best === undefined || worst === undefined || second === undefined) break;
    const width = Math.max(
      ...axes.map(axis => spread(simplex.map(({ point }) => point[axis] ?? 0))),
    );
    if (width < precision) break;
    const others = simplex.slice(0, -1).map(({ point }) => point);
    const centre = from.map(
      (_, axis) => others.reduce((sum, point) => sum + (point[axis] ?? 0), 0) / others.length,
    );
    const reflected = along(centre, worst.point, -1);
    let next = reflected;
    if (reflected.cost < best.cost) {
      const expanded = along(centre, worst.point, -2);
      if (expanded.cost < reflected.cost) next = expanded;
    } else if (reflected.cost >= second.cost) {
      const share = reflected.cost < worst.cost ? -0.5 : 0.5;
      next = along(centre, worst.point, share);
      if (next.cost >= Math.min(reflected.cost, worst.cost)) {
        simplex = simplex.map(({ point }) => along(best.point, point, 0.5));
        continue;
      }
    }
    simplex = [...simplex.slice(0, -1), next];
  }
  return simplex.toSorted((a, b) => a.cost - b.cost)[0]?.point ?? from;
}

const spread = (values: readonly number[]): number => Math.max(...values) - Math.min(...values);

function meanSquare(series: Float64Array): number {
  let squares = 0;
  for (const value of series) squares += value * value;
  return squares / series.length;
}
