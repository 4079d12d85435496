import { expect, it } from 'vitest';
import { expectCandlesOf } from '../../db/tests/support/candles.ts';
import { addInstrument, describeOnEngine, testLogger } from '../../db/tests/support/database.ts';
import { ticksOf } from '../tests/ticks.ts';
import { createFeed } from './feed.ts';
import { recordBatch } from './record.ts';

describeOnEngine('recordBatch', ({ sql }) => {
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
    expect(await recordBatch(poisoned, parts)).toEqual({
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
    const counts = await recordBatch(bad, { ...parts, feed: shaky });
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
