import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  publish,
  registerCatalog,
  valuesFor,
} from '../../tests/support/indicators.ts';
import { tickOf } from '../../tests/support/ticks.ts';
import { createFeed } from '../ingest/feed.ts';
import { createServiceStore, type ServiceStore, type Work } from './service.ts';

describeOnEngine('The window of a live series', ({ sql }) => {
  const feed = createFeed(sql);
  beforeAll(() => registerCatalog(sql));

  let seq = 0;
  const record = (symbol: string, secondsAgo: readonly number[]) =>
    feed.recordTicks(
      'manual',
      secondsAgo.map(seconds => {
        seq += 1;
        const bid = 1 + ((37 * seq) % 101) / 100;
        const at = new Date(Date.now() - 1_000 * seconds).toISOString();
        return tickOf(symbol, at, { seq, bid, ask: bid + (seq % 7) / 10 });
      }),
    );
  const endLeases = () => sql`update indicator.pending set leased_until = '-infinity'`;

  /** What is read when nothing was before. */
  async function wholeWindow({ indicators, timeframe, fromBucket, toBucket }: Work) {
    const bars = Math.max(...indicators.map(each => each.bars_window));
    const [row] = await sql`
      select w.buckets, w.opens, w.highs, w.lows, w.closes, w.volumes, w.tick_counts, w.spreads
      from indicator.definitions as d
      cross join lateral indicator.candle_windows(array[d.instrument_id], array[d.timeframe], array[d.side],
        array[${fromBucket}::text::timestamptz], array[${toBucket}::text::timestamptz],
        array[${bars - 1}::int], array[${bars - 1}::int]) as w
      where d.indicator_id = ${indicators[0]?.indicator_id ?? 0} and d.timeframe = ${timeframe}`;
    return row;
  }

  const contentOf = ({ indicators, series: { buckets, columns } }: Work) => ({
    buckets,
    opens: [...columns.open],
    highs: [...columns.high],
    lows: [...columns.low],
    closes: [...columns.close],
    volumes: [...columns.volume],
    tick_counts: [...columns.tick_count].map(String),
    spreads: indicators.some(each => each.kind === 'spread')
      ? [...columns.spread]
      : expect.anything(),
  });

  async function claimed(store: ServiceStore): Promise<Work[]> {
    const works = await store.claimPending(500);
    for (const work of works) {
      await store.recordValues(valuesFor(work));
      await store.finishPending(work.workIds);
    }
    return works;
  }

  it('is read as a whole once, then only the candle that changed, and again when one changes that was long over', async () => {
    const symbol = await addInstrument(sql);
    await addIndicator(sql, symbol, { fast: 1, slow: 30 });
    const store = createServiceStore(sql, 'classical');
    const tell = async (secondsAgo: readonly number[]) => {
      await record(symbol, secondsAgo);
      await accept(sql, await publish(sql));
    };
    await tell(Array.from({ length: 100 }, (_, minute) => 60 * (200 - minute)));
    expect(await claimed(store)).not.toEqual([]);

    const parameters = 'int[], text[], text[], timestamptz[], timestamptz[], int[], int[]';
    await sql.unsafe(
      `alter function indicator.candle_windows(${parameters}) rename to out_of_order`,
    );
    try {
      for (const secondsAgo of [[61, 3], [2], [60, 1, 0], [4]]) {
        await tell(secondsAgo);
        const works = await claimed(store);
        expect(works).not.toEqual([]);
        for (const { series } of works) expect(series.buckets.length).toBeGreaterThanOrEqual(30);
      }
      await tell([60 * 150]);
      await expect(claimed(store)).rejects.toThrow('indicator.candle_windows');
    } finally {
      await sql.unsafe(
        `alter function indicator.out_of_order(${parameters}) rename to candle_windows`,
      );
    }
    await endLeases();
    const works = await claimed(store);
    expect(works.length).toBeGreaterThan(0);
    for (const work of works) expect(contentOf(work)).toEqual(await wholeWindow(work));
  });

  it('keeps its spreads when history of it is told to somebody else, which has none', async () => {
    const symbol = await addInstrument(sql);
    // Neither of the newest candle nor of one that is long over.
    await record(symbol, [75]);
    await publish(sql);
    await addIndicator(sql, symbol, { period: 5 }, { kind: 'spread', side: 'mid' });
    await sql`select outbox.subscribe(${symbol}, ${symbol}, ${symbol}, '1m', 'mid',
      from_time => now() - interval '1 hour')`;
    const store = createServiceStore(sql, 'classical');
    const tell = async () => {
      await record(symbol, [0]);
      await accept(sql, await publish(sql));
      return claimed(store);
    };
    expect(await tell()).not.toEqual([]);

    await sql`select outbox.continue_backfills()`;
    const history = await sql`
      select from outbox.candles
      where instrument_id = feed.instrument_id(${symbol}) and is_of_backfill and spread is null`;
    expect(history).toHaveLength(1);
    const works = await tell();
    expect(works).not.toEqual([]);
    for (const work of works) {
      expect(work.series.buckets.length).toBeGreaterThan(1);
      expect(contentOf(work)).toEqual(await wholeWindow(work));
    }
  });

  it('is the one that a whole read gives, whoever computes, whatever comes late or meanwhile, is added, removed, or given up', async () => {
    const rounds = fc.sample(
      fc.record({
        what: fc.nat(11),
        of: fc.nat(1),
        by: fc.nat(1),
        isToldLater: fc.nat(2),
        isMoreToCome: fc.boolean(),
        ago: fc.nat(59),
      }),
      { numRuns: 120, seed: 20261130 },
    );
    const symbols = [await addInstrument(sql), await addInstrument(sql)] as const;
    const averages = new Map<string, number>();
    for (const symbol of symbols) {
      averages.set(
        symbol,
        await addIndicator(
          sql,
          symbol,
          { period: 12 },
          { kind: 'sma', timeframe: '1s', side: 'mid' },
        ),
      );
      await addIndicator(sql, symbol, { period: 3 }, { kind: 'sma', side: 'mid' });
      await record(
        symbol,
        Array.from({ length: 40 }, (_, n) => 240 - 6 * n),
      );
    }
    let spread: number | undefined;
    const stores = [createServiceStore(sql, 'classical'), createServiceStore(sql, 'classical')];
    let compared = 0;
    for (const [round, { what, of, by, isToldLater, isMoreToCome, ago }] of rounds.entries()) {
      const symbol = symbols[of] ?? '';
      if (what < 6) await record(symbol, [ago % 3, ago % 2]);
      else if (what < 8) await record(symbol, [ago]);
      else if (what < 10) await record(symbol, [40 + 3 * ago]);
      else if (what === 10 && spread === undefined) {
        const rest = { kind: 'spread', timeframe: '1s', side: 'mid' };
        spread = await addIndicator(sql, symbol, { period: 2 }, rest);
      } else if (what === 10) {
        await sql`select indicator.remove(${spread ?? 0})`;
        spread = undefined;
      } else {
        // What happens while nobody asks for the series is told to nobody.
        await sql`select indicator.remove(${averages.get(symbol) ?? 0})`;
        await record(symbol, [3 * ago, 0]);
        await publish(sql);
        const rest = { kind: 'sma', timeframe: '1s', side: 'mid' };
        averages.set(symbol, await addIndicator(sql, symbol, { period: 12 }, rest));
        await record(symbol, [0]);
      }
      if (isToldLater === 0) continue;
      await accept(sql, await publish(sql));
      // What came in since the capture is in the window, too.
      if (isMoreToCome) await record(symbol, [1, 0]);
      for (const work of await claimed(stores[by] ?? createServiceStore(sql, ''))) {
        if (work.indicators.length === 0) continue;
        compared += 1;
        expect(contentOf(work), `round ${round}`).toEqual(await wholeWindow(work));
      }
    }
    expect(compared).toBeGreaterThan(100);
  });
});
