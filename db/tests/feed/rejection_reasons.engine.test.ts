import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { REASONS, type Reason } from '../../../workers/ingest/rejection.ts';
import type { Tick } from '../../../workers/ingest/source.ts';
import { checkTick, MAX_SEQ } from '../../../workers/ingest/tick.ts';

/** What nobody can know without the database. */
const ofTheDatabase: readonly (Reason | null)[] = ['unknown_instrument'];

const endless = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const price = fc.constantFrom(null, null, 1, 0, -1, 1e15, 999_999_999_999_999, 5e-324, ...endless);
const drawnTick = fc.record({
  symbol: fc.constantFrom('SAME', 'SAME', 'SAME', 'NOBODY', 'lower', '', 'A'.repeat(33)),
  observedAt: fc.constantFrom(
    '2026-03-02T10:00:00.000000Z',
    '2026-03-02T10:00:00Z',
    '1970-01-01T00:00:00Z',
    '1969-12-31T23:59:59.999999Z',
    '2099-01-01T00:00:00Z',
  ),
  seq: fc.constantFrom(0, 1, -1, MAX_SEQ, MAX_SEQ + 1),
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
    await fc.assert(
      fc.asyncProperty(fc.array(drawnTick, { minLength: 1, maxLength: 200 }), async drawn => {
        const ticks: Tick[] = drawn.map(tick => ({
          ...tick,
          symbol: tick.symbol === 'SAME' ? known : tick.symbol,
        }));
        const judged = await sql<{ reason: Reason | null; detail: string | null }[]>`
          select v.reason, v.detail
          from unnest(${ticks.map(tick => tick.symbol)}::text[],
            ${ticks.map(tick => tick.observedAt)}::text[]::timestamptz[],
            ${ticks.map(tick => tick.seq)}::bigint[], ${ticks.map(tick => tick.bid)}::float8[],
            ${ticks.map(tick => tick.ask)}::float8[], ${ticks.map(tick => tick.last)}::float8[],
            ${ticks.map(tick => tick.size)}::float8[])
            with ordinality as t(symbol, observed_at, seq, bid, ask, last, size, place)
          left join feed.instruments as i on i.symbol = t.symbol
          cross join lateral feed.tick_fault('manual', t.symbol, i.source, t.observed_at, t.seq,
            t.bid, t.ask, t.last, t.size, clock_timestamp() + interval '5 seconds', '-infinity') as v
          order by t.place`;
        for (const [place, tick] of ticks.entries()) {
          const { reason = null, detail = null } = judged[place] ?? {};
          expect(detail === null).toBe(reason === null);
          if (ofTheDatabase.includes(reason)) continue;
          expect({ tick, reason }).toEqual({
            tick,
            reason: checkTick(tick, { now: Date.now() })?.reason ?? null,
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
});
