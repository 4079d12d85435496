import { describe, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { addIndicator, catchUp, registerCatalog } from '../../../tests/support/indicators.ts';
import { tickOf } from '../../../tests/support/ticks.ts';
import type { Summary, WatchlistRow } from '../../../web/dashboard.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

describeOnEngine('The schema dashboard', ({ sql }) => {
  const feed = createFeed(sql);

  const freshness = async (newestAt: string | null, at: string): Promise<string | undefined> => {
    const [row] = await sql<{ state: string }[]>`
      select dashboard.freshness(${newestAt}::timestamptz, '1 minute', ${at}::timestamptz) as state`;
    return row?.state;
  };

  it.each([
    ['2026-01-05T00:02:00Z', 'live'],
    ['2026-01-05T00:02:00.000001Z', 'stale'],
    ['2026-01-05T00:10:00Z', 'stale'],
    ['2026-01-05T00:10:00.000001Z', 'dead'],
    ['2026-01-04T23:00:00Z', 'live'],
  ])(
    'says at %s that what is newest at midnight and comes each minute is %s',
    async (at, state) => {
      expect(await freshness('2026-01-05T00:00:00Z', at)).toBe(state);
    },
  );

  it('says that nothing is absent', async () => {
    expect(await freshness(null, '2026-01-05T00:00:00Z')).toBe('absent');
  });

  it.each([
    [1, 0, 0, 1, true],
    [1, 1, 0, 1, true],
    [49, 51, 0, 1, false],
    [1, 9, 0, 1, false],
    [1, 10, 0, 0, false],
    [2, 0, 2, 0, false],
    [0, 10, 1, 0, false],
    [0, 9, 1, -1, false],
    [0, 51, 49, -1, false],
    [0, 1, 1, -1, true],
  ])(
    'summarizes %i bullish, %i neutral and %i bearish votes as %i, strong: %s',
    async (bullish, neutral, bearish, verdict, isStrong) => {
      const [row] = await sql<{ summary: Summary }[]>`
        select dashboard.summary(${bullish}, ${neutral}, ${bearish}, 7) as summary`;
      expect(row?.summary).toEqual({
        mean: (bullish - bearish) / (bullish + neutral + bearish),
        verdict,
        is_strong: isStrong,
        bullish,
        neutral,
        bearish,
        left_out: 7,
      });
    },
  );

  it('has no verdict where nobody votes', async () => {
    const [row] = await sql<{ summary: Summary }[]>`
      select dashboard.summary(0, 0, 0, 3) as summary`;
    const none = { mean: null, verdict: null, is_strong: null };
    expect(row?.summary).toEqual({ ...none, bullish: 0, neutral: 0, bearish: 0, left_out: 3 });
  });

  describe('lists', () => {
    const rowOf = async (
      symbol: string,
      at: string,
      trends: object | null = null,
    ): Promise<WatchlistRow | undefined> => {
      const [row] = await sql<{ rows: WatchlistRow[] }[]>`
        select dashboard.watchlist(${trends === null ? null : JSON.stringify(trends)}::text::jsonb, ${at}) as rows`;
      return row?.rows.find(each => each.symbol === symbol);
    };

    it('who is too old to vote, and how old the price is, at a time', async () => {
      await registerCatalog(sql);
      const symbol = await addInstrument(sql);
      await addIndicator(sql, symbol, { fast: 1, slow: 2 });
      await addIndicator(sql, symbol, { fast: 1, slow: 50 });
      await addIndicator(sql, symbol, { fast: 1, slow: 2 }, { timeframe: '1h' });
      await feed.recordTicks('manual', [
        tickOf(symbol, '2026-01-05T09:59:30Z', { bid: 1, ask: 2 }),
        tickOf(symbol, '2026-01-05T10:00:30Z', { bid: 3, ask: 4 }),
      ]);
      await catchUp(sql);
      const look = async (at: string) => {
        const row = await rowOf(symbol, at);
        return [row?.state, ...(row?.indicators ?? []).map(each => each.state), row?.summary];
      };
      const both = { mean: 1, verdict: 1, bullish: 2, left_out: 1 };
      expect(await look('2026-01-05T10:02:00Z')).toMatchObject([
        'live',
        'live',
        'live',
        'live',
        both,
      ]);
      const one = { mean: 1, verdict: 1, bullish: 1, left_out: 2 };
      expect(await look('2026-01-05T10:02:01Z')).toMatchObject([
        'live',
        'stale',
        'stale',
        'live',
        one,
      ]);
      const none = { mean: null, verdict: null, bullish: 0, left_out: 3 };
      expect(await look('2026-01-05T12:00:01Z')).toMatchObject([
        'dead',
        'dead',
        'dead',
        'stale',
        none,
      ]);
    });

    it('the change since the day of the newest tick began', async () => {
      const symbol = await addInstrument(sql);
      await feed.recordTicks('manual', [
        tickOf(symbol, '2026-01-05T23:59:59Z', { bid: 90, ask: 90 }),
        tickOf(symbol, '2026-01-06T08:00:00Z', { bid: 100, ask: 102 }),
        tickOf(symbol, '2026-01-06T09:00:00Z', { bid: 110, ask: 112 }),
      ]);
      const at = '2026-01-06T09:00:01Z';
      const change = { price: 111, day_open: 101, change: 10, change_percent: (100 * 10) / 101 };
      expect(await rowOf(symbol, at)).toMatchObject({ ...change, sparkline: [101, 111] });
      const [{ instrument_id = 0 } = {}] = await sql<{ instrument_id: number }[]>`
        select feed.instrument_id(${symbol}) as instrument_id`;
      // Handed in, they are not read.
      const trend = { instrument_id, day_open: 100, opened_at: '2026-01-06Z', closes: [1, 2] };
      expect(await rowOf(symbol, at, [trend])).toMatchObject({ change: 11, sparkline: [1, 2] });
      // Read before the day began: better none than a wrong one.
      const yesterday = { ...trend, opened_at: '2026-01-05Z' };
      expect(await rowOf(symbol, at, [yesterday])).toMatchObject({
        price: 111,
        day_open: null,
        change: null,
        change_percent: null,
      });
      expect(await rowOf(symbol, at, [])).toMatchObject({ change: null, sparkline: [] });
    });

    it('an instrument without ticks, and one that has trades only', async () => {
      const empty = await addInstrument(sql);
      const traded = await addInstrument(sql);
      await feed.recordTicks('manual', [
        tickOf(traded, '2026-01-07T10:00:00Z', { last: 50, size: 1 }),
        tickOf(traded, '2026-01-07T11:00:00Z', { last: 40, size: 1 }),
      ]);
      const at = '2026-01-07T11:02:01Z';
      expect(await rowOf(empty, at)).toMatchObject({
        price: null,
        state: 'absent',
        change: null,
        sparkline: [],
        indicators: [],
        summary: { mean: null, left_out: 0 },
      });
      expect(await rowOf(traded, at)).toMatchObject({
        price: 40,
        bid: null,
        mid: null,
        last: 40,
        state: 'stale',
        change: -10,
        change_percent: -20,
      });
    });
  });
});
