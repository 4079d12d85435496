import { type Kind, neutral, type Verdict } from '../../kind.ts';
import { type Examples, fitLogistic, logLoss, logOdds, probabilityOf } from './logistic.ts';

/** The second half of the examples is predicted in so many stretches, each by a fit to all that was known before it. */
const batches = 10;
/** Student's t of a two-sided interval of 95 % with one degree of freedom less than there are batches. */
const quantile = 2.2621571627409915;
/** Bars of which it is known whether the close was higher or lower. */
const fewest = 40;

/** Logistic regression on recent returns, with what its probabilities were worth so far. */
export const logisticRegression: Kind<'close', { period: number; lags: number; horizon: number }> =
  {
    kind: 'logistic_regression',
    description:
      'Logistic regression: how probable a higher close is some bars ahead, by the returns of the last bars, with the log-loss of such probabilities in the second half of the window beside that of the base rate',
    rule: 'Neutral unless the log-loss was lower than that of the base rate by more than its uncertainty; then bullish when a higher close is more probable than a lower one, bearish when less. The strength is how far the probability is from one half, of one half.',
    label: 'Logistic regression {period}, {lags} returns, {horizon} ahead',
    definition:
      'D. R. Cox, The Regression Analysis of Binary Sequences (1958); the ridge of 1 on standardised returns by S. le Cessie and J. C. van Houwelingen, Ridge Estimators in Logistic Regression (1992); log-loss: −ln of the probability given to what came, of the second half of the bars in ten stretches, each predicted by a fit to what was known before it; base rate: how often the close was higher until then; uncertainty: half of the 95 % interval of the difference, from these ten stretches by t with nine degrees of freedom. Bars after which the close was the same are left out',
    parameters: [
      { name: 'period', type: 'integer', min: 200, max: 2_000, default: 500 },
      { name: 'lags', type: 'integer', min: 1, max: 10, default: 5 },
      { name: 'horizon', type: 'integer', min: 1, max: 20, default: 1 },
    ],
    columns: ['close'],
    bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
    outputs: [
      { name: 'probability', unit: 'probability', pane: 'own', thresholds: [0.5] },
      { name: 'log_loss', unit: 'ratio', pane: 'own' },
      { name: 'base_log_loss', unit: 'ratio', pane: 'own' },
      { name: 'uncertainty', unit: 'ratio', pane: 'own' },
    ],
    isClosedOnly: true,
    needsPositive: true,
    // Short enough to have a value after a day of history, long enough to be cheap then.
    defaults: [{ timeframe: '5m', params: { period: 270, lags: 3, horizon: 1 } }],
    compute({ close }, { lags, horizon }) {
      const { examples, bars } = examplesOf(close, lags, horizon);
      const count = bars.length - 1;
      if (count < fewest) return null;
      const record = recordOf(examples, bars, count, horizon);
      const fit = fitLogistic(examples, count);
      if (record === null || fit === null) return null;
      const probability = probabilityOf(logOdds(fit, examples, count));
      const { loss, baseLoss, uncertainty } = record;
      const isProven = baseLoss - loss > uncertainty;
      const strength = isProven ? 2 * probability - 1 : 0;
      return {
        outputs: [probability, loss, baseLoss, uncertainty],
        verdict: isProven ? (Math.sign(strength) as Verdict) : neutral,
        strength,
      };
    },
  };

/**
 * The returns up to each bar, and whether the close was higher `horizon` bars later; a bar after which it was the same
 * is left out. The last one is the newest bar, of which that is not known.
 */
export function examplesOf(close: Float64Array, lags: number, horizon: number) {
  const returns = close.map((price, bar) => {
    const before = close[bar - 1] ?? Number.NaN;
    return (price - before) / before;
  });
  const bars: number[] = [];
  for (let bar = lags; bar < close.length - horizon; bar++) {
    if (close[bar + horizon] !== close[bar]) bars.push(bar);
  }
  bars.push(close.length - 1);
  const numbers = new Float64Array(bars.length * lags);
  const classes = new Uint8Array(bars.length);
  for (const [example, bar] of bars.entries()) {
    for (let back = 0; back < lags; back++) {
      numbers[example * lags + back] = returns[bar - back] ?? Number.NaN;
    }
    classes[example] = (close[bar + horizon] ?? 0) > (close[bar] ?? 0) ? 1 : 0;
  }
  return { examples: { width: lags, numbers, classes } satisfies Examples, bars };
}

/** How well the second half was predicted by what was known before. */
function recordOf(examples: Examples, bars: readonly number[], count: number, horizon: number) {
  const { classes } = examples;
  const half = Math.floor(count / 2);
  const edges = Array.from(
    { length: batches + 1 },
    (_, batch) => half + Math.floor((batch * (count - half)) / batches),
  );
  let [loss, baseLoss] = [0, 0];
  const gains: number[] = [];
  for (let batch = 0; batch < batches; batch++) {
    const [from = 0, to = 0] = edges.slice(batch);
    // What came of a bar is known so many bars later.
    let known = from;
    while (known > 0 && (bars[known - 1] ?? 0) + horizon > (bars[from] ?? 0)) known--;
    const fit = fitLogistic(examples, known);
    if (fit === null) return null;
    let ones = 0;
    for (let example = 0; example < known; example++) ones += classes[example] ?? 0;
    const base = Math.log(ones / (known - ones));
    let gain = 0;
    for (let example = from; example < to; example++) {
      const isHigher = classes[example] === 1;
      const [own, other] = [
        logLoss(logOdds(fit, examples, example), isHigher),
        logLoss(base, isHigher),
      ];
      loss += own;
      baseLoss += other;
      gain += other - own;
    }
    gains.push(gain);
  }
  const predicted = count - half;
  const edge = (baseLoss - loss) / predicted;
  let squares = 0;
  for (const [batch, gain] of gains.entries()) {
    const length = (edges[batch + 1] ?? 0) - (edges[batch] ?? 0);
    squares += (gain - edge * length) ** 2;
  }
  const error = Math.sqrt((batches / (batches - 1)) * squares) / predicted;
  return { loss: loss / predicted, baseLoss: baseLoss / predicted, uncertainty: quantile * error };
}
