import { describe, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { addIndicator, catchUp, registerCatalog } from '../../../tests/support/indicators.ts';
import { tickOf } from '../../../tests/support/ticks.ts';
import type { RatingDetail, WatchlistRow } from '../../../web/dashboard.ts';
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

    it('how old each value and the price are, at a time', async () => {
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
        return [row?.state, ...(row?.indicators ?? []).map(each => each.state)];
      };
      expect(await look('2026-01-05T10:02:00Z')).toEqual(['live', 'live', 'live', 'live']);
      expect(await look('2026-01-05T10:02:01Z')).toEqual(['live', 'stale', 'stale', 'live']);
      expect(await look('2026-01-05T12:00:01Z')).toEqual(['dead', 'dead', 'dead', 'stale']);
    });

    it('a price as stale after two minutes, however coarse its indicators are', async () => {
      await registerCatalog(sql);
      const symbol = await addInstrument(sql);
      await addIndicator(sql, symbol, { fast: 1, slow: 2 }, { timeframe: '1h' });
      const tick = tickOf(symbol, '2026-01-05T10:00:30Z', { bid: 3, ask: 4 });
      await feed.recordTicks('manual', [tick]);
      expect((await rowOf(symbol, '2026-01-05T10:02:30Z'))?.state).toBe('live');
      expect((await rowOf(symbol, '2026-01-05T10:02:31Z'))?.state).toBe('stale');
    });

    it('ratings with their age, and which indicators are only of a set', async () => {
      await registerCatalog(sql);
      const symbol = await addInstrument(sql);
      await sql`select indicator.add_set(${symbol}, '1m', 'rating')`;
      await sql`select indicator.add(${symbol}, '1m', 'sma', '{"period": 10}')`;
      await feed.recordTicks(
        'manual',
        Array.from({ length: 20 }, (_, minute) =>
          tickOf(symbol, `2026-01-05T10:${String(minute + 10)}:00Z`, {
            bid: minute + 1,
            ask: minute + 2,
          }),
        ),
      );
      await catchUp(sql);
      const row = await rowOf(symbol, '2026-01-05T10:30:00Z');
      const own = row?.indicators.filter(each => each.is_own);
      expect(row?.indicators).toHaveLength(26);
      expect(own?.map(each => each.label)).toEqual(['SMA 10']);
      expect(row?.ratings).toEqual([
        {
          timeframe: '1m',
          width_seconds: 60,
          side: 'mid',
          bucket: '2026-01-05T10:29:00+00:00',
          rating: expect.any(Number),
          band: expect.stringMatching(/buy/),
          // The Hull average of a straight line is the line.
          moving_averages: 5 / 6,
          moving_averages_band: 'strong buy',
          oscillators: expect.any(Number),
          oscillators_band: expect.any(String),
          buy: expect.any(Number),
          neutral: expect.any(Number),
          sell: 0,
          counted: expect.any(Number),
          votes: 26,
          state: 'live',
        },
      ]);
      expect((await rowOf(symbol, '2026-01-05T10:40:00Z'))?.ratings[0]?.state).toBe('dead');

      const detailOf = async (...given: readonly (string | null)[]) => {
        const [answer] = await sql<{ detail: RatingDetail | null }[]>`
          select dashboard.rating(${given[0] ?? null}, ${given[1] ?? null}, ${given[2] ?? null}) as detail`;
        return answer?.detail;
      };
      const detail = await detailOf(symbol, '1m');
      expect(detail).toMatchObject({ symbol, timeframe: '1m', side: 'mid' });
      expect(detail?.votes).toHaveLength(26);
      expect(detail?.votes[0]).toMatchObject({
        vote_group: 'moving averages',
        label: 'SMA 10',
        weight: 1,
        verdict: 1,
        value: 16,
        state: 'counted',
        indicator_id: own?.[0]?.indicator_id,
        unit: 'price',
        rule: expect.stringContaining('Bullish while the close is above the average'),
      });
      expect(detail?.history[0]).toMatchObject({ bucket: '2026-01-05T10:29:00+00:00', votes: 26 });
      expect(detail?.history.length).toBeGreaterThan(5);
      for (const absent of [
        [symbol, '5m', null],
        [symbol, '1m', 'bid'],
        [symbol, '2m', null],
        ['NOBODY', '1m', null],
      ]) {
        expect(await detailOf(...absent), absent.join()).toBeNull();
      }
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

    it('the newest quote and its age where the newest tick is a trade', async () => {
      const symbol = await addInstrument(sql);
      const record = (...ticks: Parameters<typeof tickOf>[]) =>
        feed.recordTicks(
          'manual',
          ticks.map(tick => tickOf(...tick)),
        );
      const look = async (at: string) => {
        const row = await rowOf(symbol, at);
        const quotedAt = row?.quoted_at ?? null;
        return {
          quote: [row?.bid, row?.ask, row?.mid, row?.quote_state],
          quotedAt: quotedAt === null ? null : new Date(quotedAt).toISOString(),
          price: [row?.price, row?.last, row?.state],
        };
      };
      await record(
        [symbol, '2026-01-07T10:00:00Z', { bid: 9, ask: 11 }],
        [symbol, '2026-01-07T10:04:00Z', { bid: 49, ask: 51 }],
        [symbol, '2026-01-07T10:07:00Z', { last: 50, size: 1 }],
        [symbol, '2026-01-07T10:08:59Z', { last: 40, size: 1 }],
      );
      expect(await look('2026-01-07T10:09:00Z')).toEqual({
        quote: [49, 51, 50, 'stale'],
        quotedAt: '2026-01-07T10:04:00.000Z',
        price: [40, 40, 'live'],
      });
      // Five minutes after it a quote is none of the trade's any more.
      await record([symbol, '2026-01-07T10:09:00Z', { last: 41, size: 1 }]);
      expect(await look('2026-01-07T10:09:00Z')).toEqual({
        quote: [null, null, null, 'absent'],
        quotedAt: null,
        price: [41, 41, 'live'],
      });
      // One side alone is a quote, and the other is not taken from an older one.
      await record([symbol, '2026-01-07T10:09:30Z', { bid: 42 }]);
      await record([symbol, '2026-01-07T10:09:40Z', { last: 43, size: 1 }]);
      expect(await look('2026-01-07T10:09:40Z')).toEqual({
        quote: [42, null, null, 'live'],
        quotedAt: '2026-01-07T10:09:30.000Z',
        price: [43, 43, 'live'],
      });
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
        ratings: [],
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
