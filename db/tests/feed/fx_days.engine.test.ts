import { expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { oracleDays } from '../../../tests/support/oracle.ts';
import { tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';

interface Day {
  readonly trading_date: string;
  readonly begins_at: string;
  readonly ends_at: string;
  readonly hours: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly tick_count: number;
}

const hourMs = 3_600_000;

/** A tick each half hour, one at the very beginning of each hour, from one instant to another. */
function ticksBetween(symbol: string, from: string, to: string): Tick[] {
  const ticks: Tick[] = [];
  for (let time = Date.parse(from), n = 0; time < Date.parse(to); time += hourMs / 2, n++) {
    ticks.push(tickOf(symbol, new Date(time).toISOString(), { bid: 100 + ((n * 37) % 71) }));
  }
  return ticks;
}

describeOnEngine('feed.fx_days', ({ sql }) => {
  async function daysOf(symbol: string, from = '-infinity', to = 'infinity'): Promise<Day[]> {
    return [
      ...(await sql<Day[]>`
        select to_char(trading_date, 'YYYY-MM-DD') as trading_date,
          to_char(begins_at, 'YYYY-MM-DD"T"HH24:MI') as begins_at, to_char(ends_at, 'YYYY-MM-DD"T"HH24:MI') as ends_at,
          hours, open, high, low, close, tick_count::int
        from feed.fx_days(${symbol}, 'bid', ${from}, ${to})`),
    ];
  }

  async function store(ticks: readonly Tick[]): Promise<void> {
    await createFeed(sql).recordTicks('manual', ticks);
    await capture(sql);
  }

  it.each([
    [
      'begins',
      '2026-03-05T00:00:00Z',
      '2026-03-11T12:00:00Z',
      '2026-03-08',
      23,
      '2026-03-07T22:00',
    ],
    ['ends', '2025-10-30T00:00:00Z', '2025-11-05T12:00:00Z', '2025-11-02', 25, '2025-11-01T21:00'],
  ])(
    'ends at 17:00 in New York when summer time %s',
    async (_, from, to, date, hours, beginsAt) => {
      const symbol = await addInstrument(sql);
      const ticks = ticksBetween(symbol, from, to);
      await store(ticks);
      const days = await daysOf(symbol);
      expect(days.map(({ begins_at: _b, ends_at: _e, hours: _h, ...day }) => day)).toEqual(
        oracleDays(ticks, symbol, 'bid'),
      );
      expect(days.find(day => day.trading_date === date)).toMatchObject({
        hours,
        begins_at: beginsAt,
        tick_count: 2 * hours,
      });
      expect(days.filter(day => day.hours === 24)).toHaveLength(days.length - 1);
      for (const [index, day] of days.slice(1).entries()) {
        expect(day.begins_at).toBe(days[index]?.ends_at);
      }
    },
  );

  it('counts Sunday evening to Monday, and has no row for a day without a tick', async () => {
    const symbol = await addInstrument(sql);
    // Friday until the close, Sunday from the opening: 17:00 in New York is 21:00 UTC in July.
    const ticks = [
      ...ticksBetween(symbol, '2026-07-10T12:00:00Z', '2026-07-10T21:00:00Z'),
      ...ticksBetween(symbol, '2026-07-12T21:00:00Z', '2026-07-13T10:00:00Z'),
    ];
    await store(ticks);
    expect((await daysOf(symbol)).map(day => day.trading_date)).toEqual([
      '2026-07-10',
      '2026-07-13',
    ]);
  });

  it('gives whole days, those that meet the asked time', async () => {
    const symbol = await addInstrument(sql);
    const ticks = ticksBetween(symbol, '2026-07-06T21:00:00Z', '2026-07-10T21:00:00Z');
    await store(ticks);
    const all = await daysOf(symbol);
    expect(all).toHaveLength(4);
    expect(await daysOf(symbol, '2026-07-08T05:00Z', '2026-07-08T21:00Z')).toEqual([all[1]]);
    expect(await daysOf(symbol, '2026-07-08T05:00Z', '2026-07-08T21:01Z')).toEqual(all.slice(1, 3));
    expect(await daysOf(symbol, '2026-07-08T21:00Z', '2026-07-08T21:00Z')).toEqual([]);
  });

  it('names what is wrong', async () => {
    const symbol = await addInstrument(sql);
    await expect(sql`select feed.fx_days('NOBODY')`).rejects.toMatchObject({ code: 'NOINS' });
    await expect(sql`select feed.fx_days(${symbol}, 'best')`).rejects.toMatchObject({
      code: 'NOSID',
    });
  });
});
