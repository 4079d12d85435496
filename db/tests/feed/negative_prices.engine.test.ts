import { beforeAll, expect, it } from 'vitest';
import { expectCandlesOf } from '../../../tests/support/candles.ts';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { catchUp, registerCatalog } from '../../../tests/support/indicators.ts';
import { subscribe } from '../../../tests/support/outbox.ts';
import { createRandom } from '../../../tests/support/random.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { catalog } from '../../../workers/indicators/catalog.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';

describeOnEngine('An instrument with prices of zero and below', ({ sql }) => {
  const feed = createFeed(sql);
  beforeAll(() => registerCatalog(sql));

  async function addBelow(): Promise<string> {
    const symbol = await addInstrument(sql);
    await sql`select feed.add_instrument(${symbol}, allows_negative => true)`;
    return symbol;
  }

  /** A walk around zero in quarters, which add up to nothing again and again; it begins at zero. */
  function walk(symbol: string, count: number, everySeconds: number, highest = 40): Tick[] {
    const random = createRandom(12);
    let price = 0;
    return Array.from({ length: count }, (_, index) => {
      const tick = tickOf(symbol, secondsAfter(index * everySeconds), {
        seq: index,
        bid: price - 0.25,
        ask: price + 0.25,
        last: index % 3 === 0 ? price : null,
        size: index % 3 === 0 ? 2 : null,
      });
      price = Math.max(-40, Math.min(highest, price + (random.int(0, 40) - 20) / 4));
      return tick;
    });
  }

  it('has candles that equal its ticks, late ones too, and nothing is told that did not change', async () => {
    const symbol = await addBelow();
    await subscribe(sql, symbol, { side: 'mid' });
    const ticks = walk(symbol, 900, 11);
    const late = ticks.filter((_, index) => index % 10 === 5);
    await feed.recordTicks(
      'manual',
      ticks.filter(tick => !late.includes(tick)),
    );
    await capture(sql);
    await feed.recordTicks('manual', late);
    await capture(sql);
    await expectCandlesOf(sql, symbol, ticks);
    const [differences] = await sql`
      select count(buckets)::int as count from ops.compare_candles('2026-03-02Z', '2026-03-03Z')`;
    expect(differences).toEqual({ count: 0 });
  });

  it('is told once of a sum that only adds up in another order', async () => {
    const symbol = await addBelow();
    await subscribe(sql, symbol, { side: 'last' });
    // What is left of the sum is all rounding, and another one each way.
    const prices = [0.1, 0.2, -0.3, 37.63, -37.63];
    const ticks = prices.map((last, index) =>
      tickOf(symbol, secondsAfter(index), { last, seq: index }),
    );
    await feed.recordTicks('manual', ticks);
    await capture(sql);
    await sql`update outbox.candles set sum = -3 * sum - 1e-15
      where instrument_id = feed.instrument_id(${symbol})`;
    await sql`insert into outbox.changes (instrument_id, minute, changed_from, changed_to, generation)
      select feed.instrument_id(${symbol}), ${secondsAfter(0)}, ${secondsAfter(0)}, ${secondsAfter(4)}, g.last_value
      from outbox.change_generation as g`;
    expect(await capture(sql)).toBe(0);
  });

  it('is shown, with a change that is no percentage where the day began at zero', async () => {
    const symbol = await addBelow();
    await feed.recordTicks('manual', walk(symbol, 60, 60));
    await capture(sql);
    const [row] = await sql<{ told: Record<string, unknown>[] }[]>`
      select dashboard.watchlist() as told`;
    const shown = row?.told.find(each => each.symbol === symbol);
    expect(shown).toMatchObject({ day_open: 0, change_percent: null });
    expect(shown?.change).toBe(shown?.price);
    const [candles] = await sql<{ told: { low: number }[] }[]>`
      select dashboard.candles(${symbol}, '1m') as told`;
    expect(Math.min(...(candles?.told ?? []).map(({ low }) => low))).toBeLessThan(0);
  });

  it('has values of all kinds but those that are about parts of a price, and a track record', async () => {
    const symbol = await addBelow();
    const needy = [...catalog.values()].filter(kind => kind.needsPositive).map(({ kind }) => kind);
    // These two have no value where the price before is not above zero.
    const without = [...needy, 'rate_of_change', 'trix'].sort();
    expect(without).toContain('realised_volatility');
    await feed.recordTicks('manual', walk(symbol, 230, 60, 0));
    for (const { kind, columns } of catalog.values()) {
      // Of mid alone there is a spread.
      const side = columns.includes('spread') ? 'mid' : 'bid';
      await sql`select indicator.add(${symbol}, '1m', ${kind}, '{}', ${side})`;
    }
    await catchUp(sql);
    const valued = await sql<{ kind: string; count: number }[]>`
      select d.kind, count(v.value)::int as count
      from indicator.definitions as d left join indicator.values as v using (indicator_id)
      where d.instrument_id = feed.instrument_id(${symbol}) group by 1 order by d.kind collate "C"`;
    expect(valued.filter(({ count }) => count === 0).map(({ kind }) => kind)).toEqual(without);
    await sql`update indicator.unscored set noted_at = '-infinity'`;
    for (;;) {
      const [row] = await sql<[{ taken: number }]>`select track.score() as taken`;
      if (row.taken === 0) break;
    }
    const [record] = await sql<[{ scored: number; hits: number }]>`
      select count(*)::int as scored, sum(s.hits)::int as hits from track.scores as s
      join indicator.definitions as d using (indicator_id)
      where d.instrument_id = feed.instrument_id(${symbol}) and s.ups + s.downs > 0`;
    expect(record.scored).toBeGreaterThan(30);
    expect(record.hits).toBeGreaterThan(0);
  });
});
