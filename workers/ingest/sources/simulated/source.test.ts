import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Item, SourceError, type Tick, type Wanted } from '../../source.ts';
import { checkTick } from '../../tick.ts';
import { epochMicroseconds, fromEpochMicroseconds } from '../../time.ts';
import {
  createSimulated,
  DENSE_MICROSECONDS,
  MAX_CATCH_UP_HOURS,
  SLOT_MICROSECONDS,
  simulatedTicks,
  THINNED_TO_EVERY,
} from './source.ts';

const SECOND = 1_000_000;
const HOUR = 3_600 * SECOND;
const start = Date.parse('2026-03-01T12:00:00Z') * 1_000;
const symbols = ['EUR_USD.SIM', 'BTC_USD.SIM', 'USD_JPY.SIM'];
const offered = await createSimulated({ seed: 7 }).instruments([]);

/** A wall clock that only moves when somebody sleeps, or a test steps it. */
function virtualClock(from: number, overshootMs: () => number = () => 0) {
  const clock = {
    ms: from / 1_000,
    now: () => clock.ms,
    sleep: async (ms: number) => {
      clock.ms += ms + overshootMs();
    },
  };
  return clock;
}

interface Run {
  readonly clock: ReturnType<typeof virtualClock>;
  readonly untilMs: number;
  readonly historyHours?: number;
  readonly storedUntil?: ReadonlyMap<string, string>;
  readonly report?: (item: Item) => void;
  readonly onGroup?: (group: readonly Tick[]) => void;
  readonly symbols?: readonly string[];
  readonly wanted?: () => Wanted;
}

async function run(options: Run): Promise<Tick[]> {
  const stop = new AbortController();
  const { clock } = options;
  const sleep = async (ms: number) => {
    await clock.sleep(ms);
    if (clock.ms > options.untilMs) stop.abort();
  };
  const source = createSimulated({
    seed: 7,
    historyHours: options.historyHours ?? 0,
    now: clock.now,
    sleep,
  });
  const received: Tick[] = [];
  const wanted = {
    symbols: options.symbols ?? symbols,
    storedUntil: options.storedUntil ?? new Map(),
    changed: new AbortController().signal,
  };
  const items = source.follow({
    signal: stop.signal,
    wanted: () => options.wanted?.() ?? wanted,
  });
  for await (const item of items) {
    options.report?.(item);
    if (item.kind !== 'ticks') continue;
    options.onGroup?.(item.ticks);
    received.push(...item.ticks);
  }
  return received;
}

const keys = (ticks: readonly Tick[]) => ticks.map(tick => `${tick.observedAt} ${tick.symbol}`);
const inOrder = (ticks: readonly Tick[]) =>
  ticks.every(
    (tick, index) => index === 0 || (ticks[index - 1]?.observedAt ?? '') <= tick.observedAt,
  );

describe('the simulated market', () => {
  it('offers eight instruments that all say that they are simulated', async () => {
    expect(offered.map(instrument => instrument.symbol)).toEqual([
      'EUR_USD.SIM',
      'GBP_USD.SIM',
      'USD_JPY.SIM',
      'AUD_USD.SIM',
      'XAU_USD.SIM',
      'BTC_USD.SIM',
      'ETH_USD.SIM',
      'SPX500_USD.SIM',
    ]);
    for (const instrument of offered) {
      expect(instrument.description).toMatch(/\(simulated\)$/);
      expect(Object.keys(instrument)).toEqual(['symbol', 'description', 'pricePrecision']);
    }
    const source = createSimulated({ seed: 7 });
    expect(source).toMatchObject({ name: 'simulated', isSimulated: true });
    expect(await source.instruments(['XAU_USD.SIM'])).toEqual([offered[4]]);
  });

  it('refuses a symbol that it does not have', async () => {
    const source = createSimulated({ seed: 7 });
    await expect(source.instruments(['EUR_USD'])).rejects.toThrow(SourceError);
    await expect(source.instruments(['EUR_USD'])).rejects.toThrow('"EUR_USD"');
    const clock = virtualClock(start);
    const until = { clock, untilMs: clock.ms };
    await expect(run({ ...until, symbols: ['NO.SIM'] })).rejects.toThrow(SourceError);
  });

  it('has the same ticks in every version of the program', () => {
    const ticks = simulatedTicks(7, ['EUR_USD.SIM', 'BTC_USD.SIM'], start, start + 4 * SECOND);
    expect(ticks).toMatchInlineSnapshot(`
      [
        {
          "ask": 1.179,
          "bid": 1.17883,
          "last": 1.17883,
          "observedAt": "2026-03-01T12:00:00.553585Z",
          "seq": 0,
          "size": 105000,
          "symbol": "EUR_USD.SIM",
        },
        {
          "ask": 93822.3,
          "bid": 93804.5,
          "last": 93804.5,
          "observedAt": "2026-03-01T12:00:01.433001Z",
          "seq": 0,
          "size": 0.514,
          "symbol": "BTC_USD.SIM",
        },
        {
          "ask": 1.179,
          "bid": 1.17883,
          "last": null,
          "observedAt": "2026-03-01T12:00:03.087059Z",
          "seq": 0,
          "size": null,
          "symbol": "EUR_USD.SIM",
        },
        {
          "ask": 93819.8,
          "bid": 93796.3,
          "last": null,
          "observedAt": "2026-03-01T12:00:03.415906Z",
          "seq": 0,
          "size": null,
          "symbol": "BTC_USD.SIM",
        },
      ]
    `);
  });

  it('is another market with another seed', () => {
    const [one, two] = [1, 2].map(seed => simulatedTicks(seed, symbols, start, start + HOUR));
    expect(new Set(keys(one ?? [])).intersection(new Set(keys(two ?? []))).size).toBe(0);
  });

  it('quotes good prices, bid below ask, rounded to the precision, about every two seconds', () => {
    for (const { symbol, pricePrecision } of offered) {
      const ticks = simulatedTicks(7, [symbol], start, start + HOUR / 4);
      expect(ticks.length).toBeGreaterThan(400);
      expect(ticks.length).toBeLessThan(500);
      for (const tick of ticks) {
        const { bid, ask, last, size, seq } = tick;
        if (bid === null || ask === null) throw new Error('a side is missing');
        expect(checkTick(tick, { now: (start + HOUR) / 1_000 })).toBeNull();
        expect(bid).toBeLessThan(ask);
        expect(Number(bid.toFixed(pricePrecision))).toBe(bid);
        expect(Number(ask.toFixed(pricePrecision))).toBe(ask);
        expect(seq).toBe(0);
        expect(size === null).toBe(last === null);
        if (last !== null) expect([bid, ask]).toContain(last);
      }
    }
  });

  it('moves in a day like the real market, with trends and without jumps', () => {
    const days = Array.from({ length: 200 }, (_, day) => start + day * 24 * HOUR);
    const mids = days.map(at => simulatedTicks(7, ['EUR_USD.SIM'], at, at + 20 * SECOND)[0]?.bid);
    const moves = mids.slice(1).map((mid, day) => Math.log((mid ?? 0) / (mids[day] ?? 0)));
    const deviation = Math.sqrt(moves.reduce((sum, move) => sum + move ** 2, 0) / moves.length);
    expect(deviation).toBeGreaterThan(0.003);
    expect(deviation).toBeLessThan(0.007);
    const hour = simulatedTicks(7, ['EUR_USD.SIM'], start, start + HOUR).map(tick => tick.bid ?? 0);
    const steps = hour.slice(1).map((bid, index) => Math.abs(bid - (hour[index] ?? 0)));
    expect(Math.max(...steps)).toBeLessThan(0.0005);
  });
});

describe('time ranges', () => {
  it('give together what the whole range gives, however it is split', () => {
    const whole = simulatedTicks(7, symbols, start, start + 60 * SECOND);
    const cuts = fc.array(fc.integer({ min: 0, max: 60 * SECOND }), { maxLength: 8 });
    fc.assert(
      fc.property(cuts, offsets => {
        const edges = [0, ...offsets.sort((a, b) => a - b), 60 * SECOND].map(at => start + at);
        const parts = edges
          .slice(1)
          .flatMap((to, index) => simulatedTicks(7, symbols, edges[index] ?? 0, to));
        expect(parts).toEqual(whole);
      }),
    );
  });

  it('give each symbol the ticks that it has alone', () => {
    const together = simulatedTicks(7, symbols, start, start + 300 * SECOND);
    for (const symbol of symbols) {
      const alone = simulatedTicks(7, [symbol], start, start + 300 * SECOND);
      expect(together.filter(tick => tick.symbol === symbol)).toEqual(alone);
    }
  });

  it('keep few slots where they are thinned, with the ticks of a dense run', () => {
    const end = start + 1_200 * SECOND;
    const denseFrom = start + 600 * SECOND + 1;
    const dense = simulatedTicks(7, symbols, start, end);
    const expected = dense.filter(tick => {
      const slot = Math.floor(epochMicroseconds(tick.observedAt) / SLOT_MICROSECONDS);
      return slot % THINNED_TO_EVERY === 0 || slot * SLOT_MICROSECONDS >= denseFrom;
    });
    expect(simulatedTicks(7, symbols, start, end, denseFrom)).toEqual(expected);
    expect(expected.length).toBeLessThan(dense.length * 0.65);
  });

  it('leave no minute empty where they are thinned', () => {
    for (const symbol of symbols) {
      const thinned = simulatedTicks(7, [symbol], start, start + HOUR, start + HOUR);
      expect(new Set(thinned.map(tick => tick.observedAt.slice(0, 16))).size).toBe(60);
    }
  });

  it('trade as much where they are thinned as anywhere', () => {
    const [dense, thinned] = [start, start + HOUR].map(denseFrom =>
      simulatedTicks(7, symbols, start, start + HOUR, denseFrom).filter(tick => tick.size !== null),
    );
    expect(thinned).toEqual(dense);
    for (const symbol of symbols) {
      const minutes = thinned
        ?.filter(tick => tick.symbol === symbol)
        .map(tick => tick.observedAt.slice(0, 16));
      expect(new Set(minutes).size).toBeGreaterThan(50);
    }
  });
});

describe('following the market', () => {
  it('fills the history first, in time order and in groups of at most 2,000', async () => {
    const groups: (readonly Tick[])[] = [];
    const clock = virtualClock(start);
    const ticks = await run({
      clock,
      untilMs: clock.ms,
      historyHours: 24,
      onGroup: group => groups.push(group),
    });
    const [from, to] = [start - 24 * HOUR, start + 1];
    const history = ticks.filter(tick => epochMicroseconds(tick.observedAt) < to);
    expect(history).toEqual(simulatedTicks(7, symbols, from, to, to - DENSE_MICROSECONDS));
    expect(inOrder(ticks)).toBe(true);
    expect(Math.max(...groups.map(group => group.length))).toBeLessThanOrEqual(2_000);
    expect(groups.length).toBeLessThan(30);
  });

  it('sends live exactly what a later fill gives, and nothing before its time', async () => {
    let random = 1;
    const overshoot = () => {
      random = (random * 48_271) % 2_147_483_647;
      return random % 40;
    };
    const clock = virtualClock(start, overshoot);
    const ticks = await run({
      clock,
      untilMs: clock.ms + 300_000,
      onGroup: group => {
        for (const tick of group) {
          const lateMs = clock.ms - epochMicroseconds(tick.observedAt) / 1_000;
          expect(lateMs).toBeGreaterThanOrEqual(0);
          expect(lateMs).toBeLessThan(42);
        }
      },
    });
    expect(ticks.length).toBeGreaterThan(300);
    const last = epochMicroseconds(ticks.at(-1)?.observedAt ?? '');
    expect(ticks).toEqual(simulatedTicks(7, symbols, start, last + 1));
  });

  it('goes on after a restart where each symbol was stored, without a gap or a repeat', async () => {
    const span = DENSE_MICROSECONDS / 2;
    const stop = fc.integer({ min: 0, max: span / 1_000 });
    const stops = fc.array(stop, { minLength: 3, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(stops, async offsets => {
        const whole = simulatedTicks(7, symbols, start, start + span + 1);
        const stored = whole.filter(tick => {
          const until = start + (offsets[symbols.indexOf(tick.symbol)] ?? 0) * 1_000;
          return epochMicroseconds(tick.observedAt) <= until;
        });
        const storedUntil = new Map(
          symbols.map((symbol, index) => [
            symbol,
            stored.findLast(tick => tick.symbol === symbol)?.observedAt ??
              fromEpochMicroseconds(start + (offsets[index] ?? 0) * 1_000),
          ]),
        );
        const clock = virtualClock(start + span);
        const rest = await run({ clock, untilMs: clock.ms, storedUntil });
        expect(keys([...stored, ...rest]).sort()).toEqual(keys(whole).sort());
      }),
      { numRuns: 20 },
    );
  });

  it('catches up after a laptop slept, thinned where that is long ago', async () => {
    const clock = virtualClock(start);
    let slept = false;
    const ticks = await run({
      clock,
      untilMs: clock.ms + 5 * 3_600_000 + 10_000,
      onGroup: () => {
        if (slept) return;
        slept = true;
        clock.ms += 5 * 3_600_000;
      },
    });
    const woke = start + 5 * HOUR;
    const dense = woke - DENSE_MICROSECONDS / 2;
    const recent = ticks.filter(tick => epochMicroseconds(tick.observedAt) >= dense);
    const last = epochMicroseconds(ticks.at(-1)?.observedAt ?? '');
    expect(recent).toEqual(simulatedTicks(7, symbols, dense, last + 1));
    // Three of four slots have a tick, and each that the thinning keeps.
    const densely = (DENSE_MICROSECONDS / SLOT_MICROSECONDS) * 0.75;
    const thinly = (5 * HOUR - DENSE_MICROSECONDS) / SLOT_MICROSECONDS / THINNED_TO_EVERY;
    expect(ticks.length).toBeGreaterThan(3 * (densely + (5 / 6) * thinly));
    expect(ticks.length).toBeLessThan(3 * (densely + (7 / 6) * thinly));
    expect(inOrder(ticks)).toBe(true);
  });

  it('repeats nothing when the clock is stepped back, and goes on when time is there again', async () => {
    const clock = virtualClock(start);
    let steps = 0;
    const alive: number[] = [];
    const ticks = await run({
      clock,
      untilMs: clock.ms + 120_000,
      report: item => {
        if (item.kind === 'covered') alive.push(clock.ms);
      },
      onGroup: () => {
        steps += 1;
        if (steps === 20) clock.ms -= 60_000;
      },
    });
    const last = epochMicroseconds(ticks.at(-1)?.observedAt ?? '');
    expect(ticks).toEqual(simulatedTicks(7, symbols, start, last + 1));
    expect(last).toBeGreaterThan(start + 100 * SECOND);
    const pauses = alive.slice(1).map((at, index) => at - (alive[index] ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(1_000);
  });

  it('goes back seven days at most, and starts anew when the stored time cannot be read', async () => {
    const clock = virtualClock(start);
    const storedUntil = new Map([['EUR_USD.SIM', '2020-01-01T00:00:00Z']]);
    const one = { clock, untilMs: clock.ms, symbols: ['EUR_USD.SIM'] };
    const old = await run({ ...one, storedUntil });
    expect(old[0]?.observedAt.slice(0, 15)).toBe('2026-02-22T12:0');
    expect(MAX_CATCH_UP_HOURS).toBe(168);
    const unread = virtualClock(start);
    const odd = { ...one, clock: unread, untilMs: unread.ms, historyHours: 1 };
    const ticks = await run({ ...odd, storedUntil: new Map([['EUR_USD.SIM', 'infinity']]) });
    expect(ticks[0]?.observedAt.slice(0, 16)).toBe('2026-03-01T11:00');
  });

  it('reports a standing stream once, and that it is alive at least once a second', async () => {
    const clock = virtualClock(start);
    const events: { kind: string; at: number }[] = [];
    await run({
      clock,
      untilMs: clock.ms + 60_000,
      report: ({ kind }) => {
        if (kind !== 'ticks') events.push({ kind, at: clock.ms });
      },
    });
    expect(events[0]?.kind).toBe('state');
    const rest = events.slice(1);
    expect(new Set(rest.map(event => event.kind))).toEqual(new Set(['covered']));
    const pauses = rest.slice(1).map((event, index) => event.at - (rest[index]?.at ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(1_000);
  });

  it('ends when it is told to, also in the middle of a real sleep', async () => {
    const stop = new AbortController();
    const items = createSimulated({ seed: 7, historyHours: 0.01 }).follow({
      signal: stop.signal,
      wanted: () => ({ symbols, storedUntil: new Map(), changed: stop.signal }),
    });
    let count = 0;
    for await (const item of items) {
      if (item.kind === 'ticks') count += item.ticks.length;
      setImmediate(() => stop.abort());
    }
    expect(count).toBeGreaterThan(0);
  });
});

describe('what the simulated market says of time', () => {
  /** Every tick that a stretch speaks of was sent before it, and stretches of a symbol join. */
  function checker() {
    const said = new Map<string, { from: number; to: number }>();
    const sent = new Map<string, number>();
    const count = (symbol: string) => sent.get(symbol) ?? 0;
    return {
      said,
      report(item: Item) {
        if (item.kind === 'ticks') {
          for (const { symbol } of item.ticks) sent.set(symbol, count(symbol) + 1);
        }
        if (item.kind !== 'covered') return;
        const [from, to] = [item.from, item.to].map(epochMicroseconds) as [number, number];
        for (const symbol of item.symbols) {
          const before = said.get(symbol);
          if (before !== undefined) expect(from, symbol).toBe(before.to);
          said.set(symbol, { from: before?.from ?? from, to });
          const { from: first } = said.get(symbol) ?? { from };
          expect(count(symbol), symbol).toBe(
            simulatedTicks(7, [symbol], first, to + 1, clockNow - DENSE_MICROSECONDS).length,
          );
        }
      },
    };
  }
  let clockNow = 0;

  it('is true at every moment, also of symbols that come and go while it runs', async () => {
    const clock = virtualClock(start);
    clockNow = start + 1;
    const { said, report } = checker();
    const [eur = '', btc = '', jpy = ''] = symbols;
    const plans: readonly [number, readonly string[]][] = [
      [0, []],
      [5_000, [eur]],
      [15_000, [eur, btc]],
      [25_000, [btc, jpy]],
      [35_000, [btc]],
    ];
    await run({
      clock,
      untilMs: clock.ms + 45_000,
      report,
      wanted: () => ({
        symbols: plans.findLast(([from]) => clock.ms >= start / 1_000 + from)?.[1] ?? [],
        storedUntil: new Map(),
        changed: new AbortController().signal,
      }),
    });
    const spans = [...said].map(([symbol, { from, to }]) => [
      symbol,
      Math.floor((from - start) / SECOND),
      Math.floor((to - start) / SECOND),
    ]);
    expect(spans.map(([symbol]) => symbol)).toEqual([eur, btc, jpy]);
    for (const [index, [begin, end]] of [
      [5, 25],
      [15, 45],
      [25, 35],
    ].entries()) {
      const [, from, to] = spans[index] as [string, number, number];
      expect(from).toBeGreaterThanOrEqual(begin ?? 0);
      expect(from).toBeLessThanOrEqual((begin ?? 0) + 1);
      expect(to).toBeGreaterThanOrEqual((end ?? 0) - 1);
      expect(to).toBeLessThanOrEqual((end ?? 0) + 1);
    }
  });

  it('goes on where what is stored ends, and says so of no time before', async () => {
    const clock = virtualClock(start);
    clockNow = start + 1;
    const { said, report } = checker();
    const [eur = '', btc = ''] = symbols;
    const storedUntil = new Map([[eur, fromEpochMicroseconds(start - 60 * SECOND)]]);
    await run({
      clock,
      untilMs: clock.ms + 5_000,
      symbols: [eur, btc],
      storedUntil,
      historyHours: 0.5,
      report: item => {
        if (item.kind === 'ticks') {
          const own = item.ticks.filter(tick => tick.symbol === eur);
          for (const tick of own) {
            expect(epochMicroseconds(tick.observedAt)).toBeGreaterThan(start - 60 * SECOND);
          }
        }
        report(item);
      },
    });
    expect(said.get(eur)?.from).toBe(start - 60 * SECOND);
    expect(said.get(btc)?.from).toBe(start - HOUR / 2);
  });
});
