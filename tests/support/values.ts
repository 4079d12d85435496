import { expect } from 'vitest';
import type { Sql } from '../../db/runtime/database.ts';
import { services } from '../../workers/indicators/catalog.ts';
import { createServiceStore } from '../../workers/indicators/service.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import { oracleCandles, type Side } from './oracle.ts';

/** Registers what the indicator process would, so that indicators can be added before it runs. */
export async function registerKinds(sql: Sql): Promise<void> {
  for (const service of services) {
    await createServiceStore(sql, service.service).register(service);
  }
}

/** Adds a moving-average cross; returns its id. */
export async function addAverages(
  sql: Sql,
  symbol: string,
  timeframe: string,
  { fast, slow }: { fast: number; slow: number },
): Promise<number> {
  const [row] = await sql<{ id: number }[]>`
    select indicator.add(${symbol}, ${timeframe}, 'ma_cross',
      jsonb_build_object('fast', ${fast}::int, 'slow', ${slow}::int)) as id`;
  return row?.id ?? 0;
}

/**
 * Every moving-average cross of a symbol has exactly one value per candle, and it is what the plainest
 * computation over the oracle's candles gives. Returns how many values were more than warming up.
 */
export async function expectValuesOf(
  sql: Sql,
  symbol: string,
  ticks: readonly Tick[],
): Promise<number> {
  const definitions = await sql<
    { id: number; timeframe: string; side: Side; fast: number; slow: number }[]
  >`select d.indicator_id as id, d.timeframe, d.side,
      (d.params ->> 'fast')::int as fast, (d.params ->> 'slow')::int as slow
    from indicator.definitions as d
    where d.instrument_id = feed.instrument_id(${symbol}) and d.kind = 'ma_cross'`;
  expect(definitions.length).toBeGreaterThan(0);
  let full = 0;
  for (const { id, timeframe, side, fast, slow } of definitions) {
    const stored = await sql<
      { bucket: string; value: number | null; verdict: number | null; bars: number }[]
    >`select to_char(v.bucket, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as bucket, v.value, v.verdict, v.bars
      from indicator.values as v where v.indicator_id = ${id} order by v.bucket`;
    const candles = oracleCandles(ticks, symbol, timeframe, side);
    const where = `${symbol} ${timeframe} ${side} ${fast}/${slow}`;
    expect(
      stored.map(({ bucket, bars }) => ({ bucket, bars })),
      where,
    ).toEqual(candles.map(({ bucket }, index) => ({ bucket, bars: Math.min(index + 1, slow) })));
    const closes = candles.map(candle => candle.close);
    const wrong = stored.filter(({ value, verdict }, index) => {
      if (index + 1 < slow) return value !== null || verdict !== null;
      full += 1;
      const window = closes.slice(index + 1 - slow, index + 1);
      const expected = mean(window.slice(-fast)) - mean(window);
      const rounding = 1e-12 * Math.max(...window);
      const isSignRight = Math.abs(expected) <= rounding || verdict === Math.sign(expected);
      return value === null || Math.abs(value - expected) > rounding || !isSignRight;
    });
    expect(wrong, where).toEqual([]);
  }
  return full;
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0) / numbers.length;
}
