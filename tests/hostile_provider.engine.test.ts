import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { printable } from '../db/runtime/logger.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { ingest } from '../workers/ingest/ingest.ts';
import { type FakeOanda, startFakeOanda } from '../workers/ingest/sources/oanda/fake.ts';
import { toLine } from '../workers/ingest/sources/oanda/fake_prices.ts';
import { createOanda } from '../workers/ingest/sources/oanda/source.ts';
import { describeOnEngine } from './support/database.ts';
import {
  type Fate,
  type GoodPrice,
  type HostileLine,
  hostileEntries,
  hostileLines,
  priceTexts,
} from './support/hostile_prices.ts';
import { usedHeap } from './support/memory.ts';

const access = { token: 'secret-token', accountId: '101-004-1234567-001' };
const symbols = ['EUR_USD', 'USD_JPY'];

/** What is sent over one connection, and how that ends. */
const segment = fc.record({
  lines: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: hostileLines },
      { weight: 1, arbitrary: fc.constant<'good'>('good') },
    ),
    { minLength: 20, maxLength: 90 },
  ),
  bids: fc.array(priceTexts, { minLength: 5, maxLength: 20 }),
  cuts: fc.array(fc.nat(), { maxLength: 60 }),
  lineEnd: fc.constantFrom('\n', '\r\n'),
  end: fc.constantFrom('order', 'reset', 'garbage'),
});

describeOnEngine('A hostile provider', ({ sql }) => {
  const feed = createFeed(sql);

  async function state() {
    const [row] = await sql<
      { stored: number; duplicate: number; conflicting: number; rejected: number }[]
    >`
      select stored_count::int as stored, duplicate_count::int as duplicate,
        conflicting_count::int as conflicting, rejected_count::int as rejected
      from feed.source_states where source = 'oanda'`;
    const reasons = await sql<{ reason: string; count: number }[]>`
      select reason, sum(count)::int as count from feed.rejections where source = 'oanda' group by reason`;
    return {
      counts: row ?? { stored: 0, duplicate: 0, conflicting: 0, rejected: 0 },
      reasons: new Map(reasons.map(({ reason, count }) => [reason, count])),
    };
  }

  it('is refused line by line, counted and told, and no price beside it is lost', async context => {
    let inputs = 0;
    let second = 0;
    const heaps: number[] = [];

    /** Each of its own second. */
    function goodPrice(bid: string): GoodPrice {
      second += 1;
      const time = new Date(Date.UTC(2026, 2, 2) + second * 1_000).toISOString();
      const instrument = symbols[second % symbols.length] ?? '';
      return { instrument, time: time.replace('Z', '123456Z'), bid, ask: '1e14' };
    }

    await fc.assert(
      fc.asyncProperty(
        fc.array(segment, { minLength: 1, maxLength: 3 }),
        fc.array(hostileEntries, { maxLength: 30 }),
        fc.boolean(),
        async (segments, entries, gzipStreams) => {
          const fake = await startFakeOanda({ ...access, gzipStreams });
          fake.listMore(entries);
          const told: string[] = [];
          const stop = new AbortController();
          const earlier = await state();
          const first = second;
          const running = ingest({
            source: createOanda({
              ...access,
              environment: 'practice',
              streamUrl: fake.url,
              apiUrl: fake.url,
              timings: { firstBackoff: 1, longestBackoff: 4, silence: 60_000 },
            }),
            symbols,
            repairs: false,
            feed,
            beat: () => feed.followed('oanda'),
            logger: pino({ level: 'warn' }, { write: line => void told.push(line) }),
            signal: stop.signal,
          });
          const expected: GoodPrice[] = [];
          const fates: Fate[] = [];
          try {
            for (const [index, { lines, bids, cuts, lineEnd, end }] of segments.entries()) {
              // Ingest that ends is a fault: nobody would come.
              await Promise.race([fake.opened(index + 1), running]);
              const bidOf = (n: number) => bids[n % bids.length] ?? '1';
              const before = goodPrice(bidOf(0));
              const send: (string | Uint8Array)[] = [toLine(before).trimEnd()];
              expected.push(before);
              for (const [n, line] of lines.entries()) {
                const good = goodPrice(bidOf(n));
                const { fate, write }: HostileLine =
                  line === 'good'
                    ? { fate: 'stored', write: price => toLine(price).trimEnd() }
                    : line;
                send.push(write(good, before));
                fates.push(fate);
                if (fate === 'stored') expected.push(good);
              }
              const last = goodPrice('2');
              expected.push(last);
              send.push(toLine(last).trimEnd());
              inputs += lines.filter(line => line !== 'good').length;
              await sendInPieces(fake, send, lineEnd, cuts);
              await expect.poll(() => isStored(last), { timeout: 30_000, interval: 20 }).toBe(true);
              if (end === 'garbage') fake.garble(Uint8Array.of(0xff, 0x00, 0x1f, 0x8b, 0x7b));
              if (end === 'order') fake.endAll();
              else fake.cutAll('{"type":"PRICE","instrument":"EUR_USD","bids":[{"price":"1');
            }
          } finally {
            stop.abort();
            await running;
            await fake.close();
          }

          const later = await state();
          const counted = (fate: Fate) => fates.filter(each => each === fate).length;
          const refused = fates.filter(
            fate => !['stored', 'duplicate', 'nothing', 'conflict'].includes(fate),
          );
          expect({
            stored: later.counts.stored - earlier.counts.stored,
            duplicate: later.counts.duplicate - earlier.counts.duplicate,
            conflicting: later.counts.conflicting - earlier.counts.conflicting,
            rejected: later.counts.rejected - earlier.counts.rejected,
          }).toEqual({
            stored: expected.length,
            duplicate: counted('duplicate'),
            conflicting: counted('conflict'),
            rejected: refused.length,
          });
          for (const reason of new Set([...refused, 'conflict' as const])) {
            const more = (later.reasons.get(reason) ?? 0) - (earlier.reasons.get(reason) ?? 0);
            expect([reason, more]).toEqual([reason, counted(reason)]);
          }
          expect(await storedSince(first)).toEqual(expected.map(storedFrom));
          await expectPrintable();

          inputs += entries.length;
          const skipped = told.filter(line => line.includes('which is left out'));
          expect(skipped).toHaveLength(entries.length > 0 ? 1 : 0);
          if (entries.length > 0) {
            expect(JSON.parse(skipped[0] ?? '')).toMatchObject({ count: entries.length });
          }
          heaps.push(usedHeap());
        },
      ),
      { seed: 14, numRuns: 25, endOnFailure: true },
    );
    // Of what was sent, which is some ten megabytes a run, nothing stays.
    expect(Math.min(...heaps.slice(-5)) - Math.min(...heaps.slice(0, 5))).toBeLessThan(50e6);
    await context.annotate(`${inputs} hostile inputs`);
  });

  async function isStored({ instrument, time }: GoodPrice): Promise<boolean> {
    const rows = await sql`
      select from feed.ticks where instrument_id = feed.instrument_id(${instrument})
        and observed_at = ${time}::text::timestamptz`;
    return rows.length > 0;
  }

  async function storedSince(second: number) {
    const rows = await sql<{ symbol: string; second: number; bid: number; ask: number }[]>`
      select i.symbol, extract(epoch from t.observed_at - '2026-03-02Z')::float8 as second, t.bid, t.ask
      from feed.ticks as t join feed.instruments as i using (instrument_id)
      where t.observed_at > '2026-03-02Z'::timestamptz + (${second} + 0.5) * interval '1 second'
      order by t.observed_at`;
    return [...rows];
  }

  function storedFrom({ instrument, time, bid, ask }: GoodPrice) {
    const milliseconds = Date.parse(`${time.slice(0, 19)}Z`) - Date.UTC(2026, 2, 2);
    return {
      symbol: instrument,
      second: (milliseconds * 1_000 + 123) / 1e6,
      bid: Number(bid),
      ask: Number(ask),
    };
  }

  async function expectPrintable() {
    const rows = await sql<{ symbol: string | null; detail: string; raw: string }[]>`
      select symbol, detail, raw from feed.rejected_ticks`;
    for (const { symbol, detail, raw } of rows) {
      for (const text of [symbol ?? '', detail, raw]) expect(text).toBe(printable(text));
      expect(raw.length).toBeLessThanOrEqual(1_000);
    }
  }
});

/** Cut anywhere, in the middle of a character too. */
async function sendInPieces(
  fake: FakeOanda,
  lines: readonly (string | Uint8Array)[],
  lineEnd: string,
  cuts: readonly number[],
): Promise<void> {
  const bytes = Buffer.concat(
    lines.flatMap(line => [
      typeof line === 'string' ? Buffer.from(line) : line,
      Buffer.from(lineEnd),
    ]),
  );
  const edges = [0, ...cuts.map(cut => cut % (bytes.length + 1)).sort((a, b) => a - b)];
  for (const [index, from] of edges.entries()) {
    const piece = bytes.subarray(from, edges[index + 1]);
    if (piece.length > 0) fake.send(piece);
    await nextTurn();
  }
}
