import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { last, range } from '../../smoothing.ts';

/** Rate of change: by how much the close differs from the one so many bars before, in percent of that. */
export const rateOfChange: Kind<'close', { period: number }> = {
  kind: 'rate_of_change',
  description:
    'Rate of change: how far the close is above the close so many bars before, in percent of the earlier one',
  rule: 'Bullish above 0, bearish below, neutral at 0. The strength is the change as a part of the range of the closes since then.',
  label: 'ROC {period}',
  definition:
    'The change between two closes in percent, as ROC of TA-Lib; no value where the earlier close is not above zero',
  parameters: [{ name: 'period', type: 'integer', min: 1, max: 1_000, default: 10 }],
  columns: ['close'],
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 1, plus: 1 }] },
  outputs: [{ name: 'rate_of_change', unit: 'percent', pane: 'own', thresholds: [0] }],
  isClosedOnly: false,
  defaults: [],
  compute({ close }, { period }) {
    const [now, then] = [last(close), last(close, period)];
    if (!(then > 0)) return null;
    const change = now - then;
    const outputs = [100 * (change / then)];
    if (change === 0) return { outputs, verdict: neutral, strength: 0 };
    const most = range(close, close.length - period - 1, close.length);
    if (Number.isNaN(most)) return null;
    return { outputs, verdict: change > 0 ? bullish : bearish, strength: change / most };
  },
};
