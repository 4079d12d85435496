import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { takeMessage } from '../workers/indicators/consumer.ts';
import { createServiceStore } from '../workers/indicators/service.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { addInstrument, describeOnEngine } from './support/database.ts';
import {
  addIndicator,
  catchUp,
  computeAll,
  type Published,
  publish,
  registerCatalog,
  valuesOf,
} from './support/indicators.ts';
import { oracleCandles } from './support/oracle.ts';
import { secondsAfter, tickOf } from './support/ticks.ts';

/** What must become of a candle: refused and counted, or looked up, or nobody wants it. */
type Fate = 'refused' | 'looked up' | 'unwanted';
type Change = (candle: Published, drawn: number) => unknown;
interface Hostile {
  readonly fate: Fate;
  readonly change: Change;
}

const hostile = (fate: Fate, changes: fc.Arbitrary<Change>): fc.Arbitrary<Hostile> =>
  changes.map(change => ({ fate, change }));
const withField = (field: string, values: fc.Arbitrary<unknown>) =>
  values.map(
    (value): Change =>
      candle => ({ ...candle, [field]: value }),
  );
const isoSecond = (time: Date) => `${time.toISOString().slice(0, 19)}Z`;
/** Years after the one in which these tests were written, and before the candles of this test. */
const future = fc.date({
  min: new Date('2150-01-01'),
  max: new Date('9999-12-31'),
  noInvalidDate: true,
});
const past = fc.date({
  min: new Date('0001-01-01'),
  max: new Date('2026-03-02T09:59:59Z'),
  noInvalidDate: true,
});
const notNumbers = fc.constantFrom(null, 'x', '1', true, [], {}, undefined);

const candles = fc.oneof(
  // Forged.
  hostile(
    'refused',
    fc.integer({ min: 1, max: 1_000_000 }).map(
      (more): Change =>
        (candle, drawn) => ({ ...candle, revision: drawn + more }),
    ),
  ),
  hostile(
    'refused',
    withField(
      'revision',
      fc.oneof(
        fc.constantFrom(Number.MAX_SAFE_INTEGER, 2 ** 63, 1e300, 0, -1, 1.5),
        fc.maxSafeInteger().map(number => -Math.abs(number)),
        notNumbers,
      ),
    ),
  ),
  hostile(
    'looked up',
    fc.double({ min: 0, max: 1, noNaN: true }).map(
      (part): Change =>
        (candle, drawn) => ({
          ...candle,
          revision: Math.max(1, Math.round(part * drawn)),
        }),
    ),
  ),
  hostile(
    'looked up',
    fc.double({ min: -1e300, max: 1e300, noNaN: true }).map(
      (price): Change =>
        candle => ({
          ...candle,
          open: price,
          high: -price,
          low: price,
          close: price * 7,
          sum: 0,
          is_closed: !candle.is_closed,
        }),
    ),
  ),
  // Ancient, in the future, beside the grid, and no time at all.
  hostile('refused', withField('bucket', future.map(isoSecond))),
  hostile('refused', withField('bucket', past.map(isoSecond))),
  hostile(
    'refused',
    fc.integer({ min: 1, max: 59 }).map(
      (seconds): Change =>
        candle => ({
          ...candle,
          bucket: candle.bucket.replace(':00Z', `:${String(seconds).padStart(2, '0')}Z`),
        }),
    ),
  ),
  hostile(
    'refused',
    fc.integer({ min: 1, max: 999_999 }).map(
      (micros): Change =>
        candle => ({
          ...candle,
          bucket: candle.bucket.replace('Z', `.${String(micros).padStart(6, '0')}Z`),
        }),
    ),
  ),
  hostile(
    'refused',
    withField(
      'bucket',
      fc.oneof(
        fc.string(),
        fc.constantFrom(
          '0000-01-01T00:00:00Z',
          '10000-01-01T00:00:00Z',
          '-000001-01-01T00:00:00Z',
          '2026-02-30T10:00:00Z',
          '2026-03-02T24:00:00Z',
          '2026-03-02T10:00:60Z',
          'infinity',
          'now',
          'epoch',
        ),
        notNumbers,
      ),
    ),
  ),
  // Nobody's.
  hostile('unwanted', withField('symbol', fc.stringMatching(/^NOBODY[A-Z0-9._:-]{0,26}$/))),
  hostile('unwanted', withField('timeframe', fc.constantFrom('7m', '1d', '9999d'))),
  hostile('unwanted', withField('side', fc.constantFrom('ask', 'mid', 'last'))),
  hostile(
    'refused',
    withField(
      'symbol',
      fc.oneof(
        fc.constantFrom(
          '',
          'a\u0000b',
          '\u202eGOLD',
          '\ud800',
          "'; drop table feed.ticks; --",
          'X'.repeat(100_000),
        ),
        fc.constantFrom(null, 1, true, [], {}, undefined),
      ),
    ),
  ),
  hostile('refused', withField('timeframe', fc.constantFrom('1', 'm', '0m', '1w', '1m ', null))),
  hostile('refused', withField('side', fc.constantFrom('BID', '', 'close', 0))),
  hostile('refused', withField('tick_count', fc.constantFrom(0, -1, 0.5, 1e300))),
  hostile('refused', withField('close', notNumbers)),
  // No candle at all.
  hostile(
    'refused',
    fc
      .oneof(
        fc.constantFrom(null, 0, '', [], {}, [[]]),
        fc.jsonValue({ maxDepth: 3 }),
        fc.integer({ min: 100, max: 3_000 }).map(nested),
      )
      .map(
        (value): Change =>
          () =>
            value,
      ),
  ),
);

/** Bodies that are no message, each of them refused as a whole. */
const bodies = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.json(),
  fc.constantFrom(
    '',
    '{}',
    '[]',
    'null',
    '\u0000',
    '{"version":2,"subscription":"s","sent_at":"2026-01-01T00:00:00Z","candles":[{}]}',
    messageOf([]),
    messageOf([null]).slice(0, -1),
    `${messageOf([null])}}`,
    '{"__proto__":{"version":1},"candles":[1]}',
    '1e999',
    '['.repeat(200_000),
    'x'.repeat(900_000),
  ),
);

const batch = fc.record({
  before: fc.array(candles, { maxLength: 12 }),
  after: fc.array(candles, { maxLength: 12 }),
  body: bodies,
  repeats: fc.constantFrom(1, 1, 1, 2, 3),
});

describeOnEngine('A hostile message', ({ sql }) => {
  const feed = createFeed(sql);
  const store = createServiceStore(sql, 'classical');
  beforeAll(() => registerCatalog(sql));

  const take = (body: string) =>
    takeMessage(body, {
      handle: async some => void (await store.acceptCandles(some)),
      refuse: store.setAside,
    });

  async function state() {
    const [row] = await sql<[{ drawn: number; refused: number; waits: boolean; forged: number }]>`
      select (select last_value::int from outbox.revision) as drawn,
        (select refused_count::int from indicator.services where service = 'classical') as refused,
        indicator.next_work_at('classical') is not null as waits,
        (select count(*)::int from indicator.values where revision > (select last_value from outbox.revision)) as forged`;
    return row;
  }

  it('is refused, counted and told, and nothing of its neighbours is lost', async context => {
    let inputs = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(batch, { minLength: 4, maxLength: 16 }),
        fc.integer({ min: 0, max: 1_000 }),
        async (batches, seed) => {
          await catchUp(sql);
          await sql`select ops.discard_dead_letters()`;
          const symbol = await addInstrument(sql);
          const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
          await computeAll(sql);
          const ticks = batches.map((_, n) =>
            tickOf(symbol, secondsAfter(60 * n), { bid: 1 + ((seed * (n + 1)) % 17) }),
          );
          await feed.recordTicks('manual', ticks);
          const genuine = (await publish(sql)).filter(candle => candle.symbol === symbol);
          expect(genuine).toHaveLength(batches.length);

          const earlier = await state();
          let refused = 0;
          for (const [n, { before, after, body, repeats }] of batches.entries()) {
            const own = genuine[n];
            if (own === undefined) throw new Error('there is a candle for each');
            const change = ({ change: by }: Hostile) => by(own, earlier.drawn);
            const mixed = messageOf([...before.map(change), own, ...after.map(change)]);
            for (let repeat = 0; repeat < repeats; repeat++) {
              await take(body);
              await take(mixed);
              inputs += 1 + before.length + after.length;
              refused += 1 + [...before, ...after].filter(each => each.fate === 'refused').length;
            }
          }
          await computeAll(sql);

          const closes = oracleCandles(ticks, symbol, '1m', 'bid');
          const expected = closes.map(({ bucket, close }, n) => {
            const last = closes[n - 1]?.close;
            const mean = ((last ?? 0) + close) / 2;
            return {
              bucket,
              outputs: last === undefined ? null : [close - mean, close, mean],
              bars: Math.min(2, n + 1),
            };
          });
          expect(await valuesOf(sql, id)).toMatchObject(expected);
          expect(await state()).toMatchObject({
            refused: earlier.refused + refused,
            waits: false,
            forged: 0,
          });
          const [status] = await sql<[{ faults: string[] }]>`select faults from ops.status`;
          expect(status.faults.join()).toMatch(
            /service classical refused or set aside \d+ candles/,
          );

          const live = await valuesOf(sql, id);
          await sql`select ops.redrive()`;
          await computeAll(sql);
          expect(await valuesOf(sql, id)).toEqual(live);
          await sql`select ops.recompute(${id})`;
          await computeAll(sql);
          expect(await valuesOf(sql, id)).toEqual(live);
        },
      ),
      { numRuns: 6, endOnFailure: true },
    );
    await context.annotate(`${inputs} hostile inputs`);
  });
});

function nested(depth: number): unknown {
  let value: unknown = null;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

function messageOf(some: readonly unknown[]): string {
  return JSON.stringify({
    version: 1,
    subscription: 'indicators.classical',
    sent_at: '2026-03-02T10:00:00Z',
    candles: some,
  });
}
