import { describe, expect, it } from 'vitest';
import { type Gap, type Item, SourceError, type Tick } from '../../source.ts';
import { epochMicroseconds, fromEpochMicroseconds } from '../../time.ts';
import { simulatedTicks } from '../simulated/source.ts';
import { createGappy, fateOf, STRETCH_MICROSECONDS } from './source.ts';

const SECOND = 1_000_000;
const start = Date.parse('2026-03-01T12:00:00Z') * 1_000;
const symbol = 'BTC_USD.GAP';
const of = { seed: 7, misses: 0.5 };

/** Follows it for so many seconds of a virtual clock. */
async function run({
  from = start,
  seconds = 120,
  misses = of.misses,
  missed = misses,
  storedUntil = new Map(),
}: {
  readonly from?: number;
  readonly seconds?: number;
  readonly misses?: number;
  readonly missed?: number;
  readonly storedUntil?: ReadonlyMap<string, string>;
} = {}) {
  const stop = new AbortController();
  let ms = from / 1_000;
  const source = createGappy({
    ...of,
    misses,
    missed,
    pageSeconds: 10,
    pageMs: 0,
    now: () => ms,
    sleep: async wait => {
      ms += wait;
      if (ms > from / 1_000 + seconds * 1_000) stop.abort();
    },
  });
  const items: Item[] = [];
  const wanted = { symbols: [symbol], storedUntil, changed: stop.signal };
  for await (const item of source.follow({ signal: stop.signal, wanted: () => wanted })) {
    items.push(item);
  }
  return { source, items };
}

const spansOf = (items: readonly Item[], kind: 'covered' | 'missed') =>
  items.flatMap(item =>
    item.kind === kind
      ? [{ from: epochMicroseconds(item.from), to: epochMicroseconds(item.to) }]
      : [],
  );
const ticksOf = (items: readonly { kind: string }[]) =>
  items.flatMap(item => ('ticks' in item ? (item.ticks as Tick[]) : []));
const truth = (from: number, to: number) =>
  simulatedTicks(of.seed, ['BTC_USD.SIM'], from, to + 1).map(tick => ({ ...tick, symbol }));

/** What is covered and was not missed, as stretches that do not touch. */
function heardOf(items: readonly Item[]) {
  const missed = spansOf(items, 'missed');
  const heard: { from: number; to: number }[] = [];
  for (const { from, to } of spansOf(items, 'covered')) {
    if (missed.some(gap => from < gap.to && to > gap.from)) continue;
    const last = heard.at(-1);
    if (last?.to === from) last.to = to;
    else heard.push({ from, to });
  }
  return heard;
}

describe('the gappy market', () => {
  it('offers the simulated market under its own symbols, and says that it is made up', async () => {
    const { source } = await run({ seconds: 1 });
    expect(source).toMatchObject({ name: 'gappy', isSimulated: true });
    const offered = await source.instruments([]);
    expect(offered).toHaveLength(8);
    for (const each of offered) expect(each.symbol).toMatch(/\.GAP$/);
    expect(await source.instruments([symbol])).toHaveLength(1);
    await expect(source.instruments(['BTC_USD.SIM'])).rejects.toThrow(SourceError);
    await expect(source.instruments(['BTC_USD.SIM'])).rejects.toThrow('"BTC_USD.SIM"');
  });

  it('has all of the market where it says so, and nothing where it missed it', async () => {
    const { items } = await run();
    const heard = heardOf(items);
    expect(ticksOf(items)).toEqual(heard.flatMap(({ from, to }) => truth(from, to)));
    const whole = { from: heard[0]?.from ?? 0, to: heard.at(-1)?.to ?? 0 };
    expect(whole.to - whole.from).toBeGreaterThan(100 * SECOND);
    expect(ticksOf(items).length).toBeLessThan(truth(whole.from, whole.to).length);
    const fates = Array.from({ length: 40 }, (_, index) =>
      fateOf(of, symbol, Math.floor(start / STRETCH_MICROSECONDS) + index),
    );
    expect(new Set(fates)).toEqual(new Set(['heard', 'away', 'skipped']));
    expect(spansOf(items, 'missed').length).toBeGreaterThan(2);
  });

  it('misses the same of it with the same seed, and nothing when it is told to', async () => {
    expect((await run()).items).toEqual((await run()).items);
    const { items } = await run({ misses: 0 });
    const [{ from, to } = { from: 0, to: 0 }, ...more] = heardOf(items);
    expect(more).toEqual([]);
    expect(ticksOf(items)).toEqual(truth(from, to));
  });

  it('does not catch up, and takes back what it said before it knew', async () => {
    const skipped = Array.from({ length: 100 }, (_, index) => index).find(
      index => fateOf(of, symbol, Math.floor(start / STRETCH_MICROSECONDS) + index) === 'skipped',
    );
    const begin = start + (skipped ?? 0) * STRETCH_MICROSECONDS;
    const until = fromEpochMicroseconds(begin + SECOND);
    const again = {
      from: begin + 60 * SECOND,
      seconds: 10,
      storedUntil: new Map([[symbol, until]]),
    };
    const { items } = await run(again);
    // Also one that misses nothing any more.
    expect((await run({ ...again, misses: 0, missed: of.misses })).items[0]).toEqual(items[0]);
    expect(items[0]).toEqual({
      kind: 'missed',
      symbols: [symbol],
      from: fromEpochMicroseconds(begin),
      to: until,
      cause: 'some were skipped',
    });
    expect(spansOf(items, 'covered')[0]?.from).toBeGreaterThanOrEqual(begin + 60 * SECOND);
  });

  it('gives the past in pages, the newest first, as often as the budget allows', async () => {
    const { source } = await run({ seconds: 1 });
    const gap: Gap = {
      symbol,
      from: fromEpochMicroseconds(start + 5 * SECOND),
      to: fromEpochMicroseconds(start + 42 * SECOND),
      cause: 'away',
      before: null,
      after: null,
    };
    const ask = async (budget: number) => {
      const items = [];
      const { signal } = new AbortController();
      for await (const item of source.repair?.(gap, { signal, budget }) ?? []) items.push(item);
      return items;
    };
    const spans = (items: Awaited<ReturnType<typeof ask>>) =>
      items.flatMap(item =>
        item.kind === 'covered'
          ? [[item.from, item.to].map(text => (epochMicroseconds(text) - start) / SECOND)]
          : [],
      );
    const all = await ask(100);
    expect(spans(all)).toEqual([
      [40, 42],
      [30, 40],
      [20, 30],
      [10, 20],
      [5, 10],
    ]);
    const got = new Map(ticksOf(all).map(tick => [tick.observedAt, tick]));
    expect([...got.values()].sort((a, b) => a.observedAt.localeCompare(b.observedAt))).toEqual(
      truth(start + 5 * SECOND, start + 42 * SECOND),
    );
    expect(spans(await ask(2))).toEqual([
      [40, 42],
      [30, 40],
    ]);
  });
});
