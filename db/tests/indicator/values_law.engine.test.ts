import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  claim,
  computeAll,
  finish,
  type Published,
  publish,
  registerCatalog,
  type Value,
  valuesOf,
} from '../../../tests/support/indicators.ts';
import { oracleCandles } from '../../../tests/support/oracle.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { catalog } from '../../../workers/indicators/catalog.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';

const fast = 2;
const slow = 3;

/** Whole prices, so that the plain computation below is exact where it decides the verdict. */
const tick = fc.record({
  second: fc.integer({ min: 0, max: 900 }).map(second => (second > 600 ? second + 36_000 : second)),
  seq: fc.constantFrom(0, 1),
  bid: fc.integer({ min: 1, max: 9 }),
});
const step = fc.record({
  ticks: fc.array(tick, { minLength: 1, maxLength: 12 }),
  actions: fc.subarray(['publish', 'receive', 'repeat', 'compute', 'history', 'store'], {
    minLength: 0,
  }),
  seed: fc.nat(),
  maxCandles: fc.constantFrom(1, 3, 500),
});

/** Moving averages in the plainest way, from the oracle's candles. */
function plainValues(ticks: readonly Tick[], symbol: string): Value[] {
  const candles = oracleCandles(ticks, symbol, '1m', 'bid');
  const interval = { low: null, high: null };
  return candles.map(({ bucket }, index) => {
    const closes = candles.slice(Math.max(0, index - slow + 1), index + 1).map(each => each.close);
    if (closes.length < slow) {
      return {
        bucket,
        outputs: null,
        verdict: null,
        strength: null,
        ...interval,
        bars: closes.length,
      };
    }
    const sum = (numbers: number[]) => numbers.reduce((total, each) => total + each, 0);
    const [fastSum, slowSum] = [sum(closes.slice(-fast)), sum(closes)];
    return {
      bucket,
      outputs: [fastSum / fast - slowSum / slow, fastSum / fast, slowSum / slow].map(number =>
        expect.closeTo(number, 9),
      ),
      verdict: Math.sign(fastSum * slow - slowSum * fast) + 0,
      strength: expect.closeTo(
        (fastSum / fast - slowSum / slow) / (Math.max(...closes) - Math.min(...closes) || 1),
        6,
      ),
      ...interval,
      bars: slow,
    };
  });
}

describeOnEngine('Indicator values', ({ sql }) => {
  const feed = createFeed(sql);
  beforeAll(() => registerCatalog(sql));

  /** Of unlike shapes, in every run; the others take turns, so that each has one. */
  const always = ['ma_cross', 'rsi', 'drift'];
  const others = [...catalog.keys()].filter(kind => !always.includes(kind));
  const runs = 12;
  const perRun = Math.ceil(others.length / runs);

  it('are a function of the stored candles, whatever came when and in which order', {
    timeout: 300_000,
  }, async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 6 }),
        fc.nat(5),
        async (steps, addAt) => {
          const symbol = await addInstrument(sql);
          const first = (run++ % runs) * perRun;
          const kinds = [...always, ...others.slice(first, first + perRun)];
          const ids: number[] = [];
          const addAll = async () => {
            ids.push(await addIndicator(sql, symbol, { fast, slow }));
            for (const kind of kinds) ids.push(await addIndicator(sql, symbol, {}, { kind }));
          };
          const sent: Tick[] = [];
          let queue: Published[] = [];
          for (const [index, { ticks, actions, seed, maxCandles }] of steps.entries()) {
            if (index === addAt % steps.length) await addAll();
            const own = ticks.map(({ second, ...rest }) =>
              tickOf(symbol, secondsAfter(second), rest),
            );
            await feed.recordTicks('manual', own);
            sent.push(...own);
            if (actions.includes('store') && seed % 3 === 0) await sql`call feed.advance_candles()`;
            if (actions.includes('publish')) queue.push(...(await publish(sql)));
            queue = shuffled(queue, seed);
            const received = queue.slice(0, Math.ceil(queue.length / 2));
            if (actions.includes('receive')) {
              await accept(sql, received);
              if (!actions.includes('repeat')) queue = queue.slice(received.length);
            }
            if (actions.includes('compute')) await finish(sql, await claim(sql, maxCandles));
            if (actions.includes('history')) await computeAll(sql, maxCandles);
          }
          queue.push(...(await publish(sql)));
          await accept(sql, shuffled(queue, 1));
          await computeAll(sql);

          const live = await Promise.all(ids.map(id => valuesOf(sql, id)));
          expect(live[0]).toEqual(plainValues(sent, symbol));
          for (const id of ids) await sql`select ops.recompute(${id})`;
          await computeAll(sql);
          expect(await Promise.all(ids.map(id => valuesOf(sql, id)))).toEqual(live);
          for (const id of ids) await sql`delete from indicator.values where indicator_id = ${id}`;
          for (const id of ids) await sql`select ops.recompute(${id})`;
          await computeAll(sql, 7);
          expect(await Promise.all(ids.map(id => valuesOf(sql, id)))).toEqual(live);
        },
      ),
      { numRuns: runs },
    );
  });

  it('are right again after a restart that lost everything but the database', async () => {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast, slow });
    const ticks = [1, 5, 2, 8, 3].map((bid, n) => tickOf(symbol, secondsAfter(n * 60), { bid }));
    await feed.recordTicks('manual', ticks);
    await accept(sql, await publish(sql));
    // Claimed, and the worker is gone.
    expect(await claim(sql)).not.toEqual([]);
    await sql`update indicator.pending set leased_until = '-infinity'`;
    await catchUp(sql);
    expect(await valuesOf(sql, id)).toEqual(plainValues(ticks, symbol));
  });
});

/** The same shuffle for the same seed. */
function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  let state = seed;
  return items
    .map(item => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return { item, place: state };
    })
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
