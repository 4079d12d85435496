import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { moneyFlow } from '../../sizes.ts';

const clear = 0.05;

/** Chaikin Money Flow: whether bars with volume close near their highs or their lows, from -1 to 1. */
export const chaikinMoneyFlow: Kind<
  'high' | 'low' | 'close' | 'volume' | 'tick_count',
  { period: number }
> = {
  kind: 'chaikin_money_flow',
  description:
    'Chaikin Money Flow: where in their ranges the last bars closed, -1 at the low to 1 at the high, averaged by volume; by the number of ticks where no bar of the window has a size',
  rule: `Bullish above ${clear} (buyers close the bars), bearish below -${clear}, neutral between. The strength is the value.`,
  label: 'CMF {period}',
  definition:
    'M. Chaikin: sum of ((close − low) − (high − close)) / (high − low) times volume, divided by the sum of volume; a bar without a range counts as 0',
  parameters: [{ name: 'period', type: 'integer', min: 1, max: 5_000, default: 20 }],
  columns: ['high', 'low', 'close', 'volume', 'tick_count'],
  bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
  outputs: [{ name: 'money_flow', unit: 'ratio', pane: 'own', thresholds: [-clear, 0, clear] }],
  isClosedOnly: false,
  defaults: [],
  compute(columns) {
    const { share } = moneyFlow(columns, 0);
    const verdict = share > clear ? bullish : share < -clear ? bearish : neutral;
    return { outputs: [share], verdict, strength: verdict === neutral ? 0 : share };
  },
};
