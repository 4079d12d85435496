import { describe, expect, it } from 'vitest';
import { DENSE_MICROSECONDS } from '../../ingest/sources/simulated/market.ts';
import { catalog } from '../catalog.ts';
import { tickIntensity } from './market/tick_intensity.ts';
import { families, longest } from './tests/golden.ts';

describe('What every instrument gets', () => {
  const kinds = [...catalog.values()].filter(({ defaults }) => defaults.length > 0);

  it('is of at least twelve kinds, of every family, with models among them', () => {
    expect(kinds.length).toBeGreaterThanOrEqual(12);
    for (const [family, all] of families) {
      expect(
        all.some(kind => kinds.includes(kind)),
        family,
      ).toBe(true);
    }
    const names = kinds.map(({ kind }) => kind);
    expect(names).toEqual(expect.arrayContaining(['arima', 'logistic_regression']));
  });

  it('has a value after 23 hours of history', () => {
    const barsOfDay: Record<string, number> = { '5m': 288, '15m': 96 };
    for (const { kind, parameters, bars, defaults } of kinds) {
      const presets = Object.fromEntries(parameters.map(each => [each.name, each.default]));
      for (const { timeframe, params } of defaults) {
        const most = ((barsOfDay[timeframe] ?? 0) * 23) / 24;
        expect(longest(bars.least, { ...presets, ...params }), kind).toBeLessThanOrEqual(most);
      }
    }
  });

  it('counts ticks only where the made-up market sends all of them', () => {
    const minutesOf: Record<string, number> = { '5m': 5, '15m': 15 };
    const { bars, defaults } = tickIntensity;
    for (const { timeframe, params } of defaults) {
      const minutes = longest(bars.window, params) * (minutesOf[timeframe] ?? Number.NaN);
      expect(minutes).toBeLessThanOrEqual(DENSE_MICROSECONDS / 60_000_000);
    }
  });
});
