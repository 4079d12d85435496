import { expect, it } from 'vitest';
import { expectCandlesOf } from '../../tests/support/candles.ts';
import { addInstrument, describeOnEngine, testLogger } from '../../tests/support/database.ts';
import { shuffled, ticksOf } from '../../tests/support/tick_series.ts';
import { type Counts, createFeed } from './feed.ts';
import { createRecorder } from './record.ts';
import type { Tick } from './source.ts';

describeOnEngine('A recorder', ({ sql }) => {
  const feed = createFeed(sql);
  const { signal } = new AbortController();
  const parts = { feed, source: 'manual', logger: testLogger, signal };

  it.each([
    ['a time that is none', { observedAt: 'no time' }],
    ['a seq that is no whole number', { seq: 1.5 }],
    ['a time that looks like two elements', { observedAt: '2026-01-01T00:00:00Z,"2026-01-01' }],
    ['a time that ends the array', { observedAt: '"}' }],
    ['a symbol with a zero character', { symbol: 'A\0B' }],
    ['a symbol that looks like two elements', { symbol: 'A","B\\' }],
    ['a symbol that ends the array', { symbol: '\\"}' }],
    ['a symbol that is no well-formed text', { symbol: '\uD800' }],
    ['no symbol', { symbol: '' }],
    ['a symbol like a null', { symbol: 'NULL' }],
    ['a price that is no number', { bid: Number.NaN }],
  ])('keeps aside the one tick with %s and stores the rest of its batch', async (_, fault) => {
    const symbol = await addInstrument(sql);
    const ticks = ticksOf(symbol, 100);
    const poisoned = ticks.map((tick, index) => (index === 42 ? { ...tick, ...fault } : tick));
    const [before] = await sql`select count(*)::int as kept from feed.rejected_ticks`;
    expect(await createRecorder(parts).record(poisoned)).toEqual({
      stored: 99,
      duplicate: 0,
      conflicting: 0,
      rejected: 1,
    });
    const [after] = await sql`select count(*)::int as kept from feed.rejected_ticks`;
    expect(after?.kept).toBe(before?.kept + 1);
    await expectCandlesOf(
      sql,
      symbol,
      ticks.filter((_, index) => index !== 42),
    );
  });

  it('stores a large batch in halves at once, each with all ticks of its symbols', async () => {
    const symbols = await Promise.all(Array.from({ length: 5 }, () => addInstrument(sql)));
    const ticks = symbols.flatMap(symbol => ticksOf(symbol, 300));
    const calls: string[][] = [];
    let isWaiting = false;
    let proceed = (): void => undefined;
    const both = new Promise<void>(resolve => {
      proceed = resolve;
    });
    const watched = {
      ...feed,
      recordTicks: async (source: string, part: readonly Tick[]) => {
        calls.push([...new Set(part.map(tick => tick.symbol))]);
        // The first waits for the second: one after the other would never end.
        if (isWaiting) proceed();
        isWaiting = true;
        await both;
        return feed.recordTicks(source, part);
      },
    };
    const counts = await createRecorder({ ...parts, feed: watched }).record(ticks);
    expect(counts).toEqual({ stored: 1_500, duplicate: 0, conflicting: 0, rejected: 0 });
    expect(calls.flat().sort()).toEqual([...symbols].sort());
    expect(calls.map(own => own.length).sort()).toEqual([2, 3]);
    for (const symbol of symbols) {
      await expectCandlesOf(
        sql,
        symbol,
        ticks.filter(tick => tick.symbol === symbol),
      );
    }
  });

  it('goes on with the next batch in one lane while the other is held up, and keeps the order of a symbol', async () => {
    const [slow = '', fast = ''] = await Promise.all([addInstrument(sql), addInstrument(sql)]);
    // By their number of ticks alone, a symbol would change its lane with each batch.
    const sizes = [900, 700];
    const ticks = [slow, fast].map((symbol, place) => ticksOf(symbol, 3 * (sizes[place] ?? 0)));
    const batches = [0, 1, 2].map(n =>
      ticks.flatMap(own => own.slice((n * own.length) / 3, ((n + 1) * own.length) / 3)),
    );
    const stored: string[] = [];
    const isFastDone = Promise.withResolvers<void>();
    const watched = {
      ...feed,
      recordTicks: async (...[name, part, arrays]: Parameters<typeof feed.recordTicks>) => {
        const symbol = part[0]?.symbol ?? '';
        if (symbol === slow) await isFastDone.promise;
        const counts = await feed.recordTicks(name, part, arrays);
        stored.push(`${symbol === slow ? 'slow' : 'fast'} ${part[0]?.observedAt}`);
        if (stored.length === 3) isFastDone.resolve();
        return counts;
      },
    };
    const recorder = createRecorder({ ...parts, feed: watched });
    const counts = await Promise.all(batches.map(batch => recorder.record(batch)));
    expect(counts.map(each => each.stored)).toEqual([1_600, 1_600, 1_600]);
    const of = (name: string, own: readonly Tick[] = []) =>
      [0, 1, 2].map(n => `${name} ${own[(n * own.length) / 3]?.observedAt}`);
    expect(stored).toEqual([...of('fast', ticks[1]), ...of('slow', ticks[0])]);
  });

  it('stores nothing of a symbol after a part of it that could not be stored before a stop', async () => {
    const symbols = await Promise.all([addInstrument(sql), addInstrument(sql)]);
    const ticks = symbols.map(symbol => ticksOf(symbol, 2_000));
    const stop = new AbortController();
    stop.abort();
    const [broken] = symbols;
    let isAway = true;
    const shaky = {
      ...feed,
      recordTicks: async (...[name, part, arrays]: Parameters<typeof feed.recordTicks>) => {
        if (isAway && part[0]?.symbol === broken) {
          throw Object.assign(new Error('connection lost'), { code: 'CONNECTION_CLOSED' });
        }
        return feed.recordTicks(name, part, arrays);
      },
    };
    const recorder = createRecorder({ ...parts, feed: shaky, signal: stop.signal });
    const first = ticks.flatMap(own => own.slice(0, 1_000));
    await expect(recorder.record(first)).rejects.toThrow('connection lost');
    isAway = false;
    const rest = ticks.flatMap(own => own.slice(1_000));
    await expect(recorder.record(rest)).rejects.toThrow('connection lost');
    await expect(recorder.record(rest.slice(-1))).rejects.toThrow('connection lost');
    // A record ends with the first lane that fails: the other one may still be storing.
    const stored = async () => {
      const rows = await sql<{ symbol: string; count: number }[]>`
        select i.symbol, count(*)::int from feed.ticks
        join feed.instruments as i using (instrument_id)
        where i.symbol = any (${symbols}) group by 1`;
      return [...rows];
    };
    const whole = { symbol: symbols[1], count: 2_000 };
    await expect.poll(stored, { timeout: 30_000 }).toEqual([whole]);
  });

  it('counts each of a large batch once, whatever is wrong with some and sent twice by two', async () => {
    const symbols = await Promise.all(Array.from({ length: 4 }, () => addInstrument(sql)));
    const good = shuffled(symbols.flatMap(symbol => ticksOf(symbol, 300)));
    const faults = [
      { symbol: 'NOT-THERE' },
      { observedAt: '2100-01-01T00:00:00Z' },
      { observedAt: 'never' },
      { bid: -1 },
      { seq: -1 },
      { bid: null, ask: null },
    ];
    const bad = good.slice(0, 60).map((tick, index) => ({ ...tick, ...faults[index % 6] }));
    const both = await Promise.all([
      createRecorder(parts).record([...good, ...bad]),
      createRecorder(parts).record([...good].reverse()),
    ]);
    const total = (pick: (counts: Counts) => number): number => pick(both[0]) + pick(both[1]);
    expect(total(counts => counts.stored)).toBe(1_200);
    expect(total(counts => counts.duplicate)).toBe(1_200);
    expect(both[0].rejected).toBe(60);
    expect(total(counts => counts.conflicting) + both[1].rejected).toBe(0);
  });

  it('tries again while the database is away, also when a refused tick is kept aside', async () => {
    const symbol = await addInstrument(sql);
    const [tick] = ticksOf(symbol, 1);
    let failures = 0;
    const lost = async (): Promise<never> => {
      failures += 1;
      throw Object.assign(new Error('connection lost'), { code: 'CONNECTION_CLOSED' });
    };
    const shaky = {
      ...feed,
      recordTicks: failing(feed.recordTicks, lost),
      rejectTicks: failing(feed.rejectTicks, lost),
    };
    const bad = tick === undefined ? [] : [{ ...tick, observedAt: 'never' }];
    const counts = await createRecorder({ ...parts, feed: shaky }).record(bad);
    expect(counts.rejected).toBe(1);
    expect(failures).toBe(2);
  });
});

/** Fails the first time. */
function failing<Args extends unknown[], Result>(
  call: (...args: Args) => Promise<Result>,
  fail: () => Promise<never>,
): (...args: Args) => Promise<Result> {
  let isFirst = true;
  return (...args) => {
    if (!isFirst) return call(...args);
    isFirst = false;
    return fail();
  };
}
