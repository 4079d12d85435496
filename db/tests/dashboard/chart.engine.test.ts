import { expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { addIndicator, catchUp, registerCatalog } from '../../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import type { Chart, Indicator } from '../../../web/dashboard.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

describeOnEngine('The chart of an indicator', ({ sql }) => {
  const feed = createFeed(sql);

  it('has each output as its kind declares it, and the forecast of the newest value', async () => {
    await registerCatalog(sql);
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { period: 10, horizon: 3 }, { kind: 'drift' });
    const minutes = Array.from({ length: 12 }, (_, minute) => minute);
    await feed.recordTicks(
      'manual',
      minutes.map(minute => tickOf(symbol, secondsAfter(60 * minute), { bid: 1 + (minute % 3) })),
    );
    await catchUp(sql);
    const [row] = await sql<{ chart: Chart; indicator: Indicator }[]>`
      select dashboard.chart(${id}) as chart, dashboard.indicator(${id}) as indicator`;
    const { chart, indicator } = row ?? {};

    const times = minutes.map(minute => Date.parse(secondsAfter(60 * minute)) / 1_000);
    expect(chart?.candles.map(candle => candle.time)).toEqual(times);
    const price = { unit: 'price', thresholds: [] };
    expect(chart?.outputs.map(({ points, ...declared }) => declared)).toEqual([
      { name: 'forecast', pane: 'price', ...price },
      { name: 'drift', pane: 'own', ...price, thresholds: [0] },
    ]);
    for (const { name, points } of chart?.outputs ?? []) {
      expect(points.map(point => point.time)).toEqual(times);
      // Nine candles of ten are there: it warms up.
      expect(points.slice(0, 9).every(point => point.value === null)).toBe(true);
      expect(points.slice(9).every(point => typeof point.value === 'number')).toBe(true);
      const shown = indicator?.outputs.find(output => output.name === name);
      expect(points.at(-1)?.value).toBe(shown?.value);
    }
    expect(chart?.forecast).toEqual({ time: times.at(-1), ...indicator?.forecast });
    expect(chart?.forecast?.horizon).toBe(3);
    expect(chart?.verdicts.map(each => each.time)).toEqual(times);
    expect(indicator).toMatchObject({
      closed_only: true,
      service: 'models',
      bars: 10,
      bars_required: 10,
      bars_window: 10,
    });
  });
});
