import { expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { sides } from '../../../tests/support/oracle.ts';
import { createRandom } from '../../../tests/support/random.ts';
import { tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';

/** Before midnight, as that is where most timeframes begin anew. */
const startMs = Date.parse('2026-03-03T22:00:00Z');
const iso = (seconds: number) => new Date(startMs + seconds * 1_000).toISOString();
const random = createRandom(20_261_130);

/** All digits that a double has; a third each has both prices, one, or trades with sizes or without. */
function someTick(symbol: string, second: number, seq: number): Tick {
  const bid = 1 + random.next() / 7;
  const ask = bid + random.next() / 1_000;
  const prices = random.pick([
    { bid, ask },
    random.pick([
      { bid, ask: null },
      { bid: null, ask },
    ]),
    { bid: null, ask: null, last: bid, size: random.pick([null, random.next() * 9]) },
  ]);
  return tickOf(symbol, iso(second), { seq, ...prices });
}

describeOnEngine('feed.newest_candles', ({ sql }) => {
  const feed = createFeed(sql);

  async function compare(symbols: readonly string[], from: string, timeframes: readonly string[]) {
    const some = sides.filter(() => random.chance(0.6));
    const withSpread = random.chance(0.5);
    const [row] = await sql<[{ wanted: number; same: number; sums: number }]>`
      with i as (select array(select feed.instrument_id(s) from unnest(${symbols as string[]}::text[]) as s) as ids),
      wanted as (
        select t.timeframe, c.*
        from i, feed.timeframes as t
        cross join lateral feed.read_candles(t.timeframe, i.ids, ${some}::text[], feed.bucket(t.width, ${from}), 'infinity',
          with_spread => ${withSpread}) as c
        where t.timeframe = any (${timeframes as string[]}::text[])
      ),
      given as (
        select c.* from i, feed.timeframes as t
        cross join lateral feed.newest_candles(${timeframes as string[]}::text[], i.ids, ${some}::text[], ${from}, ${withSpread}) as c
        where t.timeframe = c.timeframe and c.bucket >= feed.bucket(t.width, ${from})
      )
      select (select count(*) from wanted)::int + (select count(*) from given)::int as wanted,
        2 * count(*) filter (where (w.open, w.high, w.low, w.close, w.tick_count, w.spread)
          is not distinct from (g.open, g.high, g.low, g.close, g.tick_count, g.spread))::int as same,
        2 * count(*) filter (where abs(w.sum - g.sum) <= 1e-12 * w.sum
          and (abs(w.volume - g.volume) <= 1e-12 * w.volume or coalesce(w.volume, g.volume) is null))::int as sums
      from wanted as w join given as g using (timeframe, instrument_id, side, bucket)`;
    const asked = `${timeframes} ${some} from ${from}${withSpread ? ' with spread' : ''}`;
    expect(row.same, asked).toBe(row.wanted);
    expect(row.sums, asked).toBe(row.wanted);
    return row.wanted;
  }

  it('is what each timeframe has, wherever it is read from and whatever is stored', async () => {
    const symbols = [await addInstrument(sql), await addInstrument(sql), await addInstrument(sql)];
    for (const timeframe of ['15s', '90s', '3m', '2h'])
      await sql`select feed.add_timeframe(${timeframe})`;
    const timeframes = (
      await sql<{ timeframe: string }[]>`select timeframe from feed.timeframes`
    ).map(row => row.timeframe);
    let compared = 0;
    // Two hours before midnight and half an hour after it, in ten steps.
    for (let step = 0; step < 10; step++) {
      const ticks = Array.from({ length: 400 }, (_, n) =>
        someTick(random.pick(symbols), 900 * step + random.int(0, 899), n),
      );
      await feed.recordTicks('manual', ticks);
      for (let turn = 0; turn < 8; turn++) {
        const second = 900 * (step + 1) - random.pick([0, 1, 59, 60, 61, 300, random.int(0, 600)]);
        const wanted = timeframes.filter(() => random.chance(0.5));
        compared += await compare(symbols.slice(turn % 3), iso(second), wanted);
        // What was prepared is read again, with newer ticks.
        const newer = someTick(random.pick(symbols), 900 * (step + 1) - 1, 1_000 + turn);
        await feed.recordTicks('manual', [newer]);
        compared += await compare(symbols, iso(second), wanted);
      }
      if (random.chance(0.5))
        await sql`call feed.refresh_candles(${iso(0)}, ${iso(900 * (step + random.int(0, 1)))})`;
    }
    expect(compared).toBeGreaterThan(1_000);
  });

  it('plans once what is asked again, and keeps few plans', async () => {
    const symbol = await addInstrument(sql);
    await feed.recordTicks('manual', [someTick(symbol, 60, 0)]);
    await sql.begin(async one => {
      const read = (second: number) => one`
        select * from feed.newest_candles('{1m,1h}', array[feed.instrument_id(${symbol})], '{bid,ask,mid,last}', ${iso(second)})`;
      const plans = () => one<{ uses: number }[]>`
        select (p.generic_plans + p.custom_plans)::int as uses from pg_prepared_statements as p
        where p.name ^@ 'newest_candles ' order by p.prepare_time desc`;
      await one`deallocate all`;
      for (let time = 0; time < 5; time++) expect((await read(60)).length).toBeGreaterThan(0);
      expect(await plans()).toEqual([{ uses: 5 }]);
      for (let minute = 2; minute < 30; minute++) await read(60 * minute);
      expect((await plans()).length).toBeLessThanOrEqual(8);
      expect((await read(60)).length).toBeGreaterThan(0);
    });
  });

  it('has nothing of what nobody asks for, and says what is no side', async () => {
    const read = (timeframes: string[], names: string[]) =>
      sql`select * from feed.newest_candles(${timeframes}::text[], '{1}', ${names}::text[], ${iso(0)})`;
    expect(await read([], ['mid'])).toEqual([]);
    expect(await read(['1m'], [])).toEqual([]);
    expect(await read(['7y'], ['mid'])).toEqual([]);
    await expect(read(['1m'], ['middle'])).rejects.toMatchObject({ code: 'NOSID' });
  });
});
