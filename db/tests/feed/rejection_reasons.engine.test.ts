import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { withSessions } from '../../../tests/support/session.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { REASONS, type Reason } from '../../../workers/ingest/rejection.ts';
import type { Tick } from '../../../workers/ingest/source.ts';
import { checkTick, MAX_SEQ } from '../../../workers/ingest/tick.ts';

/** What nobody can know without the database. */
const ofTheDatabase: readonly (Reason | null)[] = ['unknown_instrument'];

const endless = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const price = fc.constantFrom(
  null,
  null,
  1,
  0,
  -1,
  -1e15,
  -999_999_999_999_999,
  1e15,
  999_999_999_999_999,
  5e-324,
  ...endless,
);
const drawnTick = fc.record({
  symbol: fc.constantFrom(
    'SAME',
    'SAME',
    'SAME',
    'BELOW',
    'BELOW',
    'NOBODY',
    'lower',
    '',
    'A'.repeat(33),
  ),
  observedAt: fc.constantFrom(
    '2026-03-02T10:00:00.000000Z',
    '2026-03-02T10:00:00Z',
    '1970-01-01T00:00:00Z',
    '1969-12-31T23:59:59.999999Z',
    '2099-01-01T00:00:00Z',
  ),
  seq: fc.constantFrom(0, 1, -1, MAX_SEQ, null),
  bid: price,
  ask: price,
  last: price,
  size: fc.constantFrom(null, null, 0, 1, -1, 1e18, 9e17, ...endless),
});

describeOnEngine('The reasons of a rejection', ({ sql }) => {
  const feed = createFeed(sql);

  it('are one list in SQL and in TypeScript, each with a sentence', async () => {
    const rows = await sql<{ reason: string; description: string }[]>`
      select reason, description from feed.rejection_reasons order by reason collate "C"`;
    expect(rows.map(row => row.reason)).toEqual([...REASONS]);
    for (const { description } of rows) expect(description).toMatch(/^\S.*[^.\s]$/);
  });

  it('are the same, whether the database judges a tick or the worker before it', async () => {
    const known = await addInstrument(sql);
    const below = await addInstrument(sql);
    await sql`select feed.add_instrument(${below}, allows_negative => true)`;
    const own: Record<string, string> = { SAME: known, BELOW: below };
    await fc.assert(
      fc.asyncProperty(fc.array(drawnTick, { minLength: 1, maxLength: 200 }), async drawn => {
        const ticks: Tick[] = drawn.map(tick => ({
          ...tick,
          symbol: own[tick.symbol] ?? tick.symbol,
        }));
        const judged = await sql<{ reason: Reason | null; detail: string | null }[]>`
          select v.reason, v.detail
          from unnest(${ticks.map(tick => tick.symbol)}::text[],
            ${ticks.map(tick => tick.observedAt)}::text[]::timestamptz[],
            ${ticks.map(({ seq }) => (seq === null ? null : String(seq)))}::bigint[], ${ticks.map(tick => tick.bid)}::float8[],
            ${ticks.map(tick => tick.ask)}::float8[], ${ticks.map(tick => tick.last)}::float8[],
            ${ticks.map(tick => tick.size)}::float8[])
            with ordinality as t(symbol, observed_at, seq, bid, ask, last, size, place)
          left join feed.instruments as i on i.symbol = t.symbol
          cross join lateral feed.tick_fault('manual', t.symbol, i.source, i.allows_negative, t.observed_at, t.seq,
            t.bid, t.ask, t.last, t.size, clock_timestamp() + interval '5 seconds', '-infinity') as v
          order by t.place`;
        for (const [place, tick] of ticks.entries()) {
          const { reason = null, detail = null } = judged[place] ?? {};
          expect(detail === null).toBe(reason === null);
          if (ofTheDatabase.includes(reason)) continue;
          expect({ tick, reason }).toEqual({
            tick,
            reason:
              checkTick(tick, { now: Date.now(), allowsNegative: tick.symbol === below })?.reason ??
              null,
          });
        }
      }),
      { numRuns: 40 },
    );
  });

  it('that are not in the list are refused, and nothing of the batch is kept', async () => {
    const [before] = await sql`select count(*)::int as kept from feed.rejected_ticks`;
    await expect(
      sql`select feed.reject_ticks('manual', '{A,A}', '{malformed,no_mood}', '{x,x}', '{x,x}')`,
    ).rejects.toMatchObject({ code: 'NORSN', message: expect.stringContaining("'no_mood'") });
    const [after] = await sql`select count(*)::int as kept from feed.rejected_ticks`;
    expect(after).toEqual(before);
    await feed.rejectTicks(
      'manual',
      REASONS.map(reason => ({ symbol: 'A', reason, detail: 'x', raw: 'x' })),
    );
    const [all] = await sql`select count(*)::int as kept from feed.rejected_ticks`;
    expect(all?.kept).toBe(before?.kept + REASONS.length);
  });

  it('of a flood are all counted, and of each the first thousand of an hour are kept', async () => {
    const counted = async () =>
      sql<{ reason: string; count: number; kept: number; is_now: boolean }[]>`
        select r.reason, sum(r.count)::int as count,
          (select count(*)::int from feed.rejected_ticks as t
           where t.source = r.source and t.reason = r.reason) as kept,
          max(r.last_at) > now() - interval '1 minute' as is_now
        from feed.rejections as r where r.source = 'replay' group by r.source, r.reason
        order by r.reason`;
    const flood = (reason: Reason, length: number) =>
      Array.from({ length }, (_, line) => ({
        symbol: null,
        reason,
        detail: `line ${line}`,
        raw: '',
      }));
    const [before = { rejected: 0 }] = await sql<{ rejected: number }[]>`
      select rejected_count::int as rejected from feed.source_states where source = 'replay'`;
    await feed.rejectTicks('replay', [
      ...flood('malformed', 2_500),
      ...flood('no_price', 3),
      { symbol: 'A', reason: 'wrong_columns', detail: 'x', raw: 'x', count: 1_000_000 },
    ]);
    expect([...(await counted())]).toEqual([
      { reason: 'malformed', count: 2_500, kept: 1_000, is_now: true },
      { reason: 'no_price', count: 3, kept: 3, is_now: true },
      { reason: 'wrong_columns', count: 1_000_000, kept: 1, is_now: true },
    ]);
    // Whatever hour this test runs in, the next ones are of another, and both of the same.
    await sql`update feed.rejections set hour = hour - interval '2 hours' where source = 'replay'`;
    await withSessions(sql, async ({ sql: session }) => {
      await session`begin`;
      await createFeed(session).rejectTicks('replay', flood('malformed', 999));
      await createFeed(session).rejectTicks('replay', flood('malformed', 5));
      await session`commit`;
    });
    expect((await counted())[0]).toMatchObject({ count: 3_504, kept: 2_000 });
    const [after] = await sql<{ rejected: number }[]>`
      select rejected_count::int as rejected from feed.source_states where source = 'replay'`;
    expect(after?.rejected).toBe(before.rejected + 2_500 + 3 + 1_000_000 + 1_004);
  });

  it('are forgotten after a time, the ticks before their counts', async () => {
    await feed.rejectTicks('manual', [
      { symbol: 'OLD', reason: 'malformed', detail: 'x', raw: 'x' },
    ]);
    const left = async () => {
      const [row] = await sql`
        select (select count(*)::int from feed.rejected_ticks where symbol = 'OLD') as ticks,
          (select count(*)::int from feed.rejections where hour = '2026-01-01Z') as counts`;
      return row;
    };
    await sql`insert into feed.rejections values ('manual', 'malformed', '2026-01-01Z', 1, now(), now())`;
    await sql`select feed.purge(keep_counts => now() - timestamptz '2025-12-31Z')`;
    expect(await left()).toEqual({ ticks: 1, counts: 1 });
    await sql`update feed.rejected_ticks set rejected_at = now() - interval '8 days' where symbol = 'OLD'`;
    await sql`select feed.purge(keep_counts => now() - timestamptz '2026-01-02Z')`;
    expect(await left()).toEqual({ ticks: 0, counts: 0 });
  });
});
