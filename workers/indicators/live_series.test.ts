import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Change, LiveSeries, type Mark } from './live_series.ts';
import { type Series, seriesWith } from './window.ts';

const key = 'EUR_USD 1s mid';
const bucketOf = (place: number) => `2026-03-02 10:${String(place).padStart(4, '0')}+00`;

/** Candles whose columns all say how often they changed. */
const seriesFrom = (candles: readonly (readonly [number, number])[], withSpread = true): Series => {
  const column = Float64Array.from(candles, ([, content]) => content);
  const spread = withSpread ? column : column.map(() => Number.NaN);
  return seriesWith(
    candles.map(([place]) => bucketOf(place)),
    {
      ...{ open: column, high: column, low: column, close: column },
      ...{ average: column, volume: column, tick_count: column, spread },
    },
  );
};

/** What the database does, in the plainest way: it remembers every change of every candle. */
function createModel() {
  const candles = new Map<number, { content: number; revision: bigint }>();
  let revision = 0n;
  let content = 0;
  let floor = 0;
  let withSpread = false;
  const lateRevisions: bigint[] = [];
  const all = () => [...candles].filter(([place]) => place >= floor).sort(([a], [b]) => a - b);
  const listed = (of: ReturnType<typeof all>) =>
    seriesFrom(
      of.map(([place, candle]) => [place, candle.content]),
      withSpread,
    );
  return {
    set(place: number, isLate: boolean) {
      revision += 1n;
      content += 1;
      candles.set(place, { content, revision });
      if (isLate) lateRevisions.push(revision);
    },
    newest: () => Math.max(0, ...candles.keys()),
    raiseFloor(to: number) {
      floor = Math.max(floor, to);
    },
    turnSpread() {
      withSpread = !withSpread;
    },
    changesSince(since: Mark | undefined): Change {
      const isKnown = since !== undefined && !lateRevisions.some(each => each > since.revision);
      const changed = isKnown ? all().filter(([, c]) => c.revision > since.revision) : [];
      return {
        ...{ revision, at: String(revision), isKnown, withSpread, floorAt: bucketOf(floor) },
        candles: listed(changed),
      };
    },
    window(from: number, to: number, bars: number): Series {
      const rows = all();
      const first = rows.findIndex(([place]) => place >= from);
      const last = rows.findLastIndex(([place]) => place <= to);
      return listed(rows.slice(Math.max(0, first - bars + 1), last + bars));
    },
    has: (place: number) => candles.has(place) && place >= floor,
  };
}

const contentOf = ({ buckets, columns }: Series) => ({
  buckets,
  close: [...columns.close],
  spread: [...columns.spread],
  start: columns.start.length,
});

interface Wanted {
  readonly back: number;
  readonly span: number;
  readonly bars: number;
}
const place: fc.Arbitrary<Wanted> = fc.record({
  back: fc.nat(8),
  span: fc.nat(3),
  bars: fc.integer({ min: 1, max: 12 }),
});
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('live' as const), back: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('next' as const), back: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('late' as const), back: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('floor' as const), back: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('spread' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('ask' as const), of: place }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat() }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('window' as const), of: place }) },
);

describe('What is kept of a live series', () => {
  it('gives the windows that a read of the whole would, whatever happens and in whichever order it is told', () => {
    let given = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 60, maxLength: 120 }), steps => {
        const model = createModel();
        for (let at = 0; at < 30; at++) model.set(at, false);
        const live = new LiveSeries();

        /** What the database says to one who wants a window now. */
        const ask = ({ back, span, bars }: Wanted) => {
          const to = model.newest() - back;
          const from = to - span;
          if (!model.has(from) || !model.has(to)) return undefined;
          const since = live.mark(key);
          return {
            ...{ since, change: model.changesSince(since), bars },
            ...{ fromBucket: bucketOf(from), toBucket: bucketOf(to) },
            read: model.window(from, to, bars),
          };
        };
        /** Takes that; a window that was kept. */
        const take = (said: NonNullable<ReturnType<typeof ask>>) => {
          const { since, change, read, bars, fromBucket, toBucket } = said;
          live.change(key, since, change);
          const kept = live.window(key, { fromBucket, toBucket, bars });
          const after = read.buckets.filter(bucket => bucket > toBucket).length;
          const before = read.buckets.filter(bucket => bucket < fromBucket).length;
          if (kept === undefined && after < bars - 1)
            live.keep(key, change, read, { bars, isWhole: before < bars - 1 });
          return kept;
        };

        const asked: NonNullable<ReturnType<typeof ask>>[] = [];
        for (const each of steps) {
          const newest = model.newest();
          if (each.do === 'live') model.set(Math.max(0, newest - each.back), false);
          if (each.do === 'next') model.set(newest + 1 + each.back, false);
          if (each.do === 'late') model.set(Math.max(0, newest - 3 - each.back), true);
          if (each.do === 'floor') model.raiseFloor(newest - 6 - each.back);
          if (each.do === 'spread') model.turnSpread();
          if (each.do === 'clear') live.clear();
          if (each.do === 'ask') {
            const said = ask(each.of);
            if (said !== undefined) asked.push(said);
          }
          if (each.do === 'answer') {
            // Another one may have been answered since.
            const [said] = asked.splice(each.which % Math.max(1, asked.length), 1);
            if (said !== undefined) take(said);
          }
          if (each.do === 'window') {
            const said = ask(each.of);
            const kept = said === undefined ? undefined : take(said);
            if (said === undefined || kept === undefined) continue;
            given += 1;
            expect(contentOf(kept)).toEqual(contentOf(said.read));
          }
        }
      }),
      { numRuns: 500, seed: 20261130 },
    );
    expect(given).toBeGreaterThan(3_000);
  });

  it('changes no window that was given', () => {
    const live = new LiveSeries();
    const mark = { revision: 1n, at: '1' };
    const change = { ...mark, isKnown: true, withSpread: false, floorAt: '-infinity' };
    const read = seriesFrom([
      [0, 1],
      [1, 2],
    ]);
    live.keep(key, { ...change, candles: seriesFrom([]) }, read, { bars: 2, isWhole: true });
    const place = { fromBucket: bucketOf(1), toBucket: bucketOf(1), bars: 2 };
    const given = live.window(key, place);
    live.change(key, mark, { ...change, revision: 2n, candles: seriesFrom([[1, 3]]) });
    expect([...(given?.columns.close ?? [])]).toEqual([1, 2]);
    expect([...(live.window(key, place)?.columns.close ?? [])]).toEqual([1, 3]);
  });

  it('lets go of what nobody asks for any more', () => {
    const live = new LiveSeries();
    const seen = { revision: 1n, at: '1' };
    const change = { ...seen, isKnown: true, withSpread: false, floorAt: '-infinity' };
    live.keep(key, { ...change, candles: seriesFrom([]) }, seriesFrom([[0, 1]]), {
      bars: 5,
      isWhole: true,
    });
    for (let place = 1; place < 3_000; place++) {
      live.change(key, seen, { ...change, candles: seriesFrom([[place, place]]) });
      const at = bucketOf(place);
      expect(live.window(key, { fromBucket: at, toBucket: at, bars: 5 })?.buckets.length).toBe(
        Math.min(5, place + 1),
      );
    }
    const old = { fromBucket: bucketOf(100), toBucket: bucketOf(100), bars: 5 };
    expect(live.window(key, old), 'it has to be read').toBeUndefined();
  });

  it('keeps half a million candles at most: those of the series that were asked for last', () => {
    const live = new LiveSeries();
    const length = 9_000;
    const series = seriesFrom(Array.from({ length }, (_, place) => [place, place]));
    const mark = { revision: 1n, at: '1' };
    const change = { ...mark, isKnown: true, withSpread: false, floorAt: '-infinity' };
    const names = Array.from({ length: 60 }, (_, n) => `series ${n}`);
    for (const name of names)
      live.keep(name, { ...change, candles: seriesFrom([]) }, series, {
        bars: length,
        isWhole: true,
      });
    expect(names.filter(name => live.mark(name) !== undefined)).toEqual(names.slice(5));
  });
});
