import fc from 'fast-check';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import {
  addInstrument,
  capture,
  describeOnEngine,
  testLogger,
} from '../../../tests/support/database.ts';
import { at } from '../../../tests/support/ticks.ts';
import { blocksOf } from '../../../tests/support/written.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { openDatabase } from '../../runtime/database.ts';

interface Answer {
  readonly stored_count: number;
  readonly duplicate_count: number;
  readonly conflicting_count: number;
  readonly rejected_count: number;
  readonly first_fault: string | null;
}

const counts = (stored: number, duplicate = 0, conflicting = 0, rejected = 0) => ({
  stored_count: stored,
  duplicate_count: duplicate,
  conflicting_count: conflicting,
  rejected_count: rejected,
});

describeOnEngine('feed.push_ticks', ({ sql, as, url }) => {
  const pusher = as('foresight_push');
  let symbol: string;

  beforeAll(async () => {
    await sql`select feed.register_source('desk', false, 'Ours', is_pushed => true)`;
    symbol = await addInstrument(sql, 'desk');
  });

  /** @param ticks A list, or its text. */
  async function push(ticks: unknown, source = 'desk', session = pusher): Promise<Answer> {
    const text = typeof ticks === 'string' ? ticks : JSON.stringify(ticks);
    const [row] = await session<[Answer]>`
      select * from feed.push_ticks(${source}, ${text}::text::jsonb)`;
    return row;
  }

  const storedOf = async (of: string) => {
    const rows = await sql<{ row: string }[]>`
      select concat_ws(' ', to_char(observed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US'), case when seq >= 0 then seq end,
        bid, ask, last, size) as row
      from feed.ticks where instrument_id = feed.instrument_id(${of}) order by observed_at, seq`;
    return rows.map(({ row }) => row);
  };
  const stateOf = async (source: string) => {
    const [row] = await sql<Record<string, string>[]>`
      select s.stored_count + s.duplicate_count + s.conflicting_count + s.rejected_count as received,
        s.conflicting_count + s.rejected_count as kept,
        (select coalesce(sum(r.count), 0) from feed.rejections as r where r.source = s.source) as counted
      from feed.source_states as s where s.source = ${source}`;
    return row;
  };

  it('stores what is written, exactly', async () => {
    const own = await addInstrument(sql, 'desk');
    const written = `[
      {"symbol": "${own}", "observed_at": "2026-03-02T10:00:00.1234567Z", "bid": 0.30000000000000004, "ask": "1e2"},
      {"symbol": "${own}", "observed_at": "2026-03-02 12:30:01+02:30", "seq": 9223372036854775807, "last": 4000.20, "size": 1.5},
      {"symbol": "${own}", "observed_at": "2026-03-02T10:00:01Z", "seq": "9007199254740993", "last": 5e-324, "size": 0, "bid": null}
    ]`;
    expect(await push(written)).toEqual({ ...counts(3), first_fault: null });
    expect(await storedOf(own)).toEqual([
      '2026-03-02T10:00:00.123456 0.30000000000000004 100',
      '2026-03-02T10:00:01.000000 9007199254740993 5e-324 0',
      '2026-03-02T10:00:01.000000 9223372036854775807 4000.2 1.5',
    ]);
    expect(await push(written)).toMatchObject(counts(0, 3));
    expect(await storedOf(own)).toHaveLength(3);
  });

  it('takes a tick without an id for another one unless time and content are the same', async () => {
    const own = await addInstrument(sql, 'desk');
    const trade = (last: number) => ({ symbol: own, observed_at: at('10:00:00'), last, size: 1 });
    expect(await push([trade(1), trade(2), trade(1)])).toMatchObject(counts(3));
    expect(await push([trade(2), trade(1), trade(3)])).toMatchObject(counts(1, 2));
  });

  it('keeps another price under a stored id aside', async () => {
    const own = await addInstrument(sql, 'desk');
    const trade = (last: number) => ({ symbol: own, observed_at: at('10:00:00'), seq: 7, last });
    await push([trade(1)]);
    expect(await push([trade(2), trade(1)])).toEqual({ ...counts(0, 1, 1), first_fault: null });
  });

  it('becomes candles and messages as every tick does', async () => {
    const own = await addInstrument(sql, 'desk');
    await sql`select outbox.subscribe('desk-bars', 'desk-bars', ${own}::text, '1m', 'bid')`;
    const bid = (second: number, price: number) => ({
      symbol: own,
      observed_at: at(`10:00:0${second}`),
      bid: price,
    });
    await push([bid(1, 2), bid(2, 5), bid(3, 3)]);
    await capture(sql);
    const candles = await sql`
      select open, high, low, close, tick_count::int from feed.candles(${own}, '1m', 'bid', '2026-03-02Z', '2026-03-03Z')`;
    expect([...candles]).toEqual([{ open: 2, high: 5, low: 2, close: 3, tick_count: 3 }]);
    const deliveries = await sql`
      select from outbox.deliveries join outbox.subscriptions using (subscription_id) where name = 'desk-bars'`;
    expect(deliveries).toHaveLength(1);
  });

  it('claims nothing that nobody can prove, and is no fault when it is silent', async () => {
    await push([{ symbol, observed_at: at('11:00:00'), bid: 1 }]);
    const claimed = await sql`
      select from feed.coverage union all select from feed.gaps`;
    expect(claimed).toHaveLength(0);
    const faults = await sql`select fault from feed.faults where fault like '%desk%'`;
    expect([...faults]).toEqual([]);
  });

  const good = { observed_at: at('10:30:00'), bid: 1 };
  const faulty: readonly (readonly [reason: string, tick: unknown, words: string])[] = [
    ['malformed', 1, 'type number'],
    ['malformed', null, 'type null'],
    ['malformed', [good], 'type array'],
    ['malformed', { ...good, price: 1 }, '"price"'],
    ['malformed', { ...good, symbol: 7 }, 'symbol is of type number'],
    ['symbol_invalid', { ...good, symbol: 'lower' }, 'the symbol is not'],
    ['symbol_invalid', { ...good, symbol: null }, 'the symbol is not'],
    ['unknown_instrument', { ...good, symbol: 'NOBODY' }, 'feed.instruments'],
    ...[
      ...[undefined, null, 1_772_445_600, true, '', 'now', 'yesterday', 'infinity', 'epoch'],
      ...['2026-03-02T10:00:00', '2026-02-29T10:00:00Z', '2026-03-02T24:00:00Z'],
      ...['2026-03-02T10:00:60Z', '2026-13-02T10:00:00Z', '0000-01-01T00:00:00Z', '2026-03-02'],
      ...['2026-03-02T10:00:00+16:00', '2026-03-02T10:00:00 UTC', '12026-03-02T10:00:00Z'],
    ].map(time => ['time_malformed', { ...good, observed_at: time }, 'observed_at'] as const),
    ['time_before_1970', { ...good, observed_at: '1969-12-31T23:59:59.999999Z' }, '1970'],
    ['time_in_future', { ...good, observed_at: '2099-01-01T00:00:00Z' }, 'our clock'],
    ...['1.5', '-1', '9223372036854775808', '1e400', '"1e30"'].map(
      seq => ['seq_out_of_range', `"seq": ${seq}`, 'is not a whole number from 0'] as const,
    ),
    ...['true', '"x"', '""', '" 1"', '"0x10"', '"1,5"', '"NaN"', '"Infinity"', '[1]', '{}'].map(
      bid => ['number_malformed', `"bid": ${bid}`, `bid ${bid}`] as const,
    ),
    ['number_malformed', `"bid": "1${'0'.repeat(100)}"`, 'is not a number'],
    ['no_price', { ...good, bid: null, size: 1 }, 'none of bid'],
    ['price_not_positive', '"bid": 0', 'above zero'],
    ['price_not_positive', '"bid": -1e400', 'above zero'],
    ['price_not_positive', '"bid": 1e-400', 'above zero'],
    ['price_too_large', '"bid": 1e15', '1e15'],
    ['price_too_large', '"bid": 1e400', '1e15'],
    ['size_negative', '"size": -1', 'below zero'],
    ['size_too_large', '"size": 1e18', '1e18'],
  ];

  it.for(faulty)('keeps the rest of a list when one is %s: %j', async ([reason, tick, words]) => {
    const own = await addInstrument(sql, 'desk');
    const text =
      typeof tick === 'string'
        ? `{"symbol": "${own}", "observed_at": "${at('10:30:00')}", "bid": 1, ${tick}}`
        : JSON.stringify(
            typeof tick === 'object' && tick !== null && !Array.isArray(tick)
              ? { symbol: own, ...tick }
              : tick,
          );
    const whole = (second: number) =>
      JSON.stringify({ ...good, symbol: own, observed_at: at(`10:30:0${second}`) });
    const before = await stateOf('desk');
    const answer = await push(`[${whole(1)}, ${text}, ${whole(2)}]`);
    expect(answer).toEqual({ ...counts(2, 0, 0, 1), first_fault: expect.any(String) });
    expect(answer.first_fault).toContain(`tick 2: ${reason}, `);
    expect(answer.first_fault).toContain(words);
    expect(await storedOf(own)).toHaveLength(2);
    const [kept] = await sql`
      select source, reason, raw <> '' as has_raw from feed.rejected_ticks order by rejected_tick_id desc limit 1`;
    expect(kept).toEqual({ source: 'desk', reason, has_raw: true });
    const after = await stateOf('desk');
    expect(Number(after?.received) - Number(before?.received ?? 0)).toBe(3);
    expect(after?.kept).toBe(after?.counted);
  });

  it('refuses an instrument of another source, and says whose it is', async () => {
    const other = await addInstrument(sql, 'oanda');
    const answer = await push([{ symbol: other, observed_at: at('10:00:00'), bid: 1 }]);
    expect(answer).toEqual({
      ...counts(0, 0, 0, 1),
      first_fault: 'tick 1: wrong_source, the symbol belongs to the source oanda',
    });
    expect(await storedOf(other)).toEqual([]);
  });

  it('refuses a source that has a process of its own, and one that is none', async () => {
    await expect(push([], 'oanda')).rejects.toMatchObject({
      code: 'PUSHD',
      message: 'no ticks are pushed to the source oanda: a process of its own speaks for it',
      hint: 'They are to: desk, manual',
    });
    await expect(push([], 'nobody')).rejects.toMatchObject({
      code: 'NOSRC',
      message: "there is no source 'nobody'",
    });
    await sql`select feed.register_source('turned', false, is_pushed => true)`;
    expect(await push([], 'turned')).toMatchObject(counts(0));
    await sql`select feed.register_source('turned', false)`;
    await expect(push([], 'turned')).rejects.toMatchObject({ code: 'PUSHD' });
  });

  it('refuses what is no list, and too long a one', async () => {
    for (const text of ['{}', '1', 'null', '"[]"']) {
      await expect(push(text)).rejects.toMatchObject({ code: 'ARRAY' });
    }
    await expect(push(Array(10_001).fill(0))).rejects.toMatchObject({ code: 'ARRAY' });
    await expect(pusher`select * from feed.push_ticks('desk', null)`).rejects.toMatchObject({
      code: 'ARRAY',
    });
    expect(await push([])).toEqual({ ...counts(0), first_fault: null });
  });

  it('lets nobody push who was not given the right', async () => {
    await expect(push([], 'desk', as('foresight_web'))).rejects.toMatchObject({ code: '42501' });
    await expect(push([], 'desk', as('foresight_ingest'))).rejects.toMatchObject({ code: '42501' });
  });

  it('loses and invents nothing when two push at once, whatever they push', async () => {
    const second = openDatabase({
      url,
      process: 'test',
      role: 'foresight_push',
      logger: testLogger,
    });
    const drawn = fc.record({
      time: fc.constantFrom('10:00:00', '10:00:00.000001', '10:01:00', '25:00:00'),
      seq: fc.constantFrom(null, 0, 1, -1, 1.5),
      bid: fc.constantFrom(1, 2, null, 'x', 0),
      ask: fc.constantFrom(3, null),
      of: fc.constantFrom(0, 1, 2),
    });
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(drawn, { maxLength: 12 }), { minLength: 2, maxLength: 8 }),
          async lists => {
            const own = [await addInstrument(sql, 'desk'), await addInstrument(sql, 'desk')];
            const before = Number((await stateOf('desk'))?.received ?? 0);
            const pushed = lists.map(list =>
              list.map(({ time, of, ...rest }) => ({
                ...{ symbol: own[of] ?? 'NOBODY', observed_at: at(time) },
                ...rest,
              })),
            );
            const answers = await Promise.all(
              pushed.map((list, index) =>
                push(
                  index % 2 === 0 ? list : list.toReversed(),
                  'desk',
                  index % 2 === 0 ? pusher : second,
                ),
              ),
            );
            for (const [index, answer] of answers.entries()) {
              const { first_fault, ...each } = answer;
              const total = Object.values(each).reduce((sum, count) => sum + count, 0);
              expect(total).toBe(pushed[index]?.length);
              expect(first_fault !== null).toBe(answer.rejected_count > 0);
            }
            const all = pushed.flat().length;
            const after = await stateOf('desk');
            expect(Number(after?.received ?? 0) - before).toBe(all);
            expect(after?.kept).toBe(after?.counted);
            const rows = [...(await storedOf(own[0] ?? '')), ...(await storedOf(own[1] ?? ''))];
            expect(rows).toHaveLength(answers.reduce((sum, each) => sum + each.stored_count, 0));
          },
        ),
        { numRuns: 40, endOnFailure: true },
      );
    } finally {
      await second.end({ timeout: 1 });
    }
  });

  it('stores what the worker of a source would store of the same ticks', async () => {
    const [own, same] = [await addInstrument(sql, 'desk'), await addInstrument(sql)];
    const ticks = Array.from({ length: 200 }, (_, index) => ({
      observedAt: at(`10:00:${String(index % 7).padStart(2, '0')}.000001`),
      seq: index % 3 === 0 ? null : index % 20,
      ...{ bid: 1 + (index % 5), ask: null, last: null, size: null },
    }));
    const told = await createFeed(sql).recordTicks(
      'manual',
      // What is said again with the same time and price is another one, here by its number and there by its place.
      ticks.map((tick, index) => ({ symbol: same, ...tick, copy: 1 + Math.floor(index / 105) })),
    );
    const answer = await push(
      ticks.map(({ observedAt, ...rest }) => ({ symbol: own, observed_at: observedAt, ...rest })),
    );
    expect(answer).toMatchObject(counts(told.stored, told.duplicate, told.conflicting));
    expect(await storedOf(own)).toEqual(await storedOf(same));
  });

  it('does what docs/push.md says', async () => {
    const blocks = blocksOf(new URL('../../../docs/push.md', import.meta.url));
    const [made = '', pushed = ''] = blocks.map(({ code }) => code);
    await sql.unsafe('drop role if exists desk_program');
    onTestFinished(async () => void (await sql.unsafe('drop role if exists desk_program')));
    await sql.unsafe(made);
    const login = new URL(url);
    login.username = 'desk_program';
    login.password = 'change-me';
    const program = openDatabase({ url: login.href, process: 'test', logger: testLogger });
    try {
      const [answer] = await program.unsafe<Answer[]>(pushed);
      expect(answer).toEqual({
        ...counts(2, 0, 0, 1),
        first_fault:
          'tick 3: time_malformed, observed_at "2026-03-02T10:00:02" is not a time with its zone such as 2026-01-31T23:59:59.123456Z',
      });
      await program`select outbox.nudge()`;
      await expect(program`select from feed.ticks`).rejects.toMatchObject({ code: '42501' });
      expect(await storedOf('GOLD.DESK')).toEqual([
        '2026-03-02T10:00:00.123456 4000.1 4000.3',
        '2026-03-02T10:00:01.000000 9007199254740993 4000.2 1.5',
      ]);
    } finally {
      await program.end({ timeout: 1 });
    }
  });
});
