// Logistic regression with ridge: how probable one of two classes is by some numbers.

export interface Examples {
  /** How many numbers each example has. */
  readonly width: number;
  /** The numbers of all examples, one example after the other. */
  readonly numbers: Float64Array;
  /** 1 of the class whose probability is looked for, 0 of the other one. */
  readonly classes: Uint8Array;
}

export interface LogisticFit {
  /** Logarithm of the odds where every number is as it is on average. */
  readonly intercept: number;
  /** Per number, in deviations from its mean. */
  readonly weights: Float64Array;
  readonly means: Float64Array;
  /** 0 of a number that is constant: it says nothing. */
  readonly deviations: Float64Array;
}

/** Half of the square of each weight counts against the likelihood: classes that can be told apart had no fit else. */
const ridge = 1;
const precision = 1e-11;
const mostSteps = 50;
/** What differs by less than this part of its mean is constant: its differences are rounding. */
const rounding = 1e-12;

/**
 * Most likely weights of the first `count` examples, by Newton's method, which is iteratively reweighted least squares.
 * Numbers are standardised by their own mean and population deviation; the intercept has no ridge.
 *
 * @returns null when the examples are of one class, or one of their numbers is none.
 */
export function fitLogistic(
  { width, numbers, classes }: Examples,
  count: number,
): LogisticFit | null {
  let ones = 0;
  for (let example = 0; example < count; example++) ones += classes[example] ?? Number.NaN;
  if (!(ones > 0 && ones < count)) return null;

  const { means, deviations } = scaleOf(numbers, width, count);
  const size = width + 1;
  // With a 1 before each example, for the intercept.
  const rows = new Float64Array(count * size).fill(1);
  for (let example = 0; example < count; example++) {
    for (let place = 0; place < width; place++) {
      rows[example * size + 1 + place] = standardised(
        numbers[example * width + place],
        means[place],
        deviations[place],
      );
    }
  }

  const weights = new Float64Array(size);
  weights[0] = Math.log(ones / (count - ones));
  for (let step = 0; step < mostSteps; step++) {
    const { gradient, curvature } = slopeOf(rows, classes, weights);
    const move = solve(curvature, gradient);
    let widest = 0;
    for (let place = 0; place < size; place++) {
      const by = move[place] ?? Number.NaN;
      weights[place] = (weights[place] ?? Number.NaN) + by;
      widest = Math.max(widest, Math.abs(by));
    }
    if (Number.isNaN(widest)) return null;
    if (widest < precision) {
      const [intercept = Number.NaN] = weights;
      return { intercept, weights: weights.slice(1), means, deviations };
    }
  }
  return null;
}

/** Logarithm of the odds that an example is of the class. */
export function logOdds(
  { intercept, weights, means, deviations }: LogisticFit,
  { width, numbers }: Pick<Examples, 'width' | 'numbers'>,
  example: number,
): number {
  let sum = intercept;
  for (let place = 0; place < width; place++) {
    const number = standardised(numbers[example * width + place], means[place], deviations[place]);
    sum += (weights[place] ?? Number.NaN) * number;
  }
  return sum;
}

export const probabilityOf = (logOdds: number): number => 1 / (1 + Math.exp(-logOdds));

/** −ln of the probability that was given to what came: 0 of a certainty that was right. */
export function logLoss(logOdds: number, isOfClass: boolean): number {
  const against = isOfClass ? -logOdds : logOdds;
  // Nothing overflows, however sure it was.
  return Math.max(against, 0) + Math.log1p(Math.exp(-Math.abs(against)));
}

function standardised(number = Number.NaN, mean = Number.NaN, deviation = Number.NaN): number {
  return deviation === 0 ? 0 * number : (number - mean) / deviation;
}

function scaleOf(numbers: Float64Array, width: number, count: number) {
  const means = new Float64Array(width);
  const deviations = new Float64Array(width);
  for (let place = 0; place < width; place++) {
    let sum = 0;
    for (let example = 0; example < count; example++) {
      sum += numbers[example * width + place] ?? Number.NaN;
    }
    const mean = sum / count;
    let squares = 0;
    for (let example = 0; example < count; example++) {
      squares += ((numbers[example * width + place] ?? Number.NaN) - mean) ** 2;
    }
    const deviation = Math.sqrt(squares / count);
    means[place] = mean;
    deviations[place] = deviation <= rounding * Math.abs(mean) ? 0 : deviation;
  }
  return { means, deviations };
}

/** First and second derivative of the likelihood less the ridge; the second one with its sign turned. */
function slopeOf(rows: Float64Array, classes: Uint8Array, weights: Float64Array) {
  const size = weights.length;
  const gradient = new Float64Array(size);
  const curvature = new Float64Array(size * size);
  for (let from = 0, example = 0; from < rows.length; from += size, example++) {
    let odds = 0;
    for (let place = 0; place < size; place++) {
      odds += (weights[place] ?? Number.NaN) * (rows[from + place] ?? Number.NaN);
    }
    const probability = probabilityOf(odds);
    const missed = (classes[example] ?? Number.NaN) - probability;
    const uncertainty = probability * (1 - probability);
    for (let place = 0; place < size; place++) {
      const number = rows[from + place] ?? Number.NaN;
      gradient[place] = (gradient[place] ?? Number.NaN) + missed * number;
      for (let other = 0; other <= place; other++) {
        const cell = place * size + other;
        curvature[cell] =
          (curvature[cell] ?? Number.NaN) +
          uncertainty * number * (rows[from + other] ?? Number.NaN);
      }
    }
  }
  for (let place = 1; place < size; place++) {
    gradient[place] = (gradient[place] ?? Number.NaN) - ridge * (weights[place] ?? Number.NaN);
    curvature[place * size + place] = (curvature[place * size + place] ?? Number.NaN) + ridge;
  }
  return { gradient, curvature };
}

/** What the symmetric matrix, of which the lower half is given, makes the vector of: by Cholesky's decomposition. */
function solve(matrix: Float64Array, vector: Float64Array): Float64Array {
  const size = vector.length;
  const root = new Float64Array(size * size);
  const solved = Float64Array.from(vector);
  const at = (row: number, column: number) => root[row * size + column] ?? Number.NaN;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      let left = matrix[row * size + column] ?? Number.NaN;
      for (let place = 0; place < column; place++) left -= at(row, place) * at(column, place);
      root[row * size + column] = row === column ? Math.sqrt(left) : left / at(column, column);
    }
  }
  for (let row = 0; row < size; row++) {
    let left = solved[row] ?? Number.NaN;
    for (let place = 0; place < row; place++)
      left -= at(row, place) * (solved[place] ?? Number.NaN);
    solved[row] = left / at(row, row);
  }
  for (let row = size - 1; row >= 0; row--) {
    let left = solved[row] ?? Number.NaN;
    for (let place = row + 1; place < size; place++) {
      left -= at(place, row) * (solved[place] ?? Number.NaN);
    }
    solved[row] = left / at(row, row);
  }
  return solved;
}
