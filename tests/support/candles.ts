import { expect } from 'vitest';
import type { Sql } from '../../db/runtime/database.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import { sides, toldCandles } from './oracle.ts';

/** Compares every candle of a symbol, in all timeframes there are and all sides, with the oracle's. */
export async function expectCandlesOf(
  sql: Sql,
  symbol: string,
  ticks: readonly Tick[],
): Promise<void> {
  const timeframes = await sql<{ timeframe: string }[]>`
    select timeframe from feed.timeframes order by width`;
  for (const { timeframe } of timeframes) {
    for (const side of sides) {
      const stored = await sql<Record<string, unknown>[]>`
        select to_char(bucket, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as bucket,
          open, high, low, close, sum, volume, tick_count::int
        from feed.candles(${symbol}, ${timeframe}, ${side})`;
      const expected = toldCandles(ticks, symbol, timeframe, side);
      const where = `${symbol} ${timeframe} ${side}`;
      expect(stored.map(exactPart), where).toEqual(expected.map(exactPart));
      for (const [index, candle] of expected.entries()) {
        expectClose(stored[index]?.sum, candle.sum, `${where} sum of ${candle.bucket}`);
        expectClose(stored[index]?.volume, candle.volume, `${where} volume of ${candle.bucket}`);
      }
    }
  }
}

function exactPart(candle: object) {
  const { bucket, open, high, low, close, tick_count } = candle as Record<string, unknown>;
  return { bucket, open, high, low, close, tick_count };
}

/**
 * Sums depend on the order of addition, and of many of them more than the last bits do: equal to 1e-9, and told to 15
 * significant digits.
 */
function expectClose(actual: unknown, expected: number | null, where: string): void {
  if (expected === null) {
    expect(actual, where).toBeNull();
    return;
  }
  const told = Number(actual);
  expect(Math.abs(told - expected), where).toBeLessThanOrEqual(1e-9 * Math.abs(expected));
  expect(told, where).toBe(Number(told.toPrecision(15)));
}
