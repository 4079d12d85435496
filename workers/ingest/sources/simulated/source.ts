import { setTimeout as delay } from 'node:timers/promises';
import { readNumber } from '../../../../db/runtime/arguments.ts';
import type { FollowRequest, Item, Source, SourceEntry, Tick, Wanted } from '../../source.ts';
import { epochMicroseconds, fromEpochMicroseconds, toMicroseconds } from '../../time.ts';
import {
  createQuoters,
  DENSE_MICROSECONDS,
  findMarkets,
  groupsOfTicks,
  MARKETS,
  type Quoter,
  SLOT_MICROSECONDS,
  slotOf,
} from './market.ts';

export {
  DENSE_MICROSECONDS,
  SLOT_MICROSECONDS,
  simulatedTicks,
  THINNED_TO_EVERY,
} from './market.ts';

/** However long ago the newest stored tick is, a fill begins at most this long before now. */
export const MAX_CATCH_UP_HOURS = 7 * 24;

/** The wall clock may step and a laptop may sleep: look at it at least this often. */
const LONGEST_SLEEP_MS = 1_000;
const HOUR_MICROSECONDS = 3_600_000_000;

export interface SimulatedOptions {
  /** The same seed gives the same market, at every time, on every machine. */
  readonly seed: number;
  /** How much history a symbol without stored ticks is given, in hours; 24 when absent. */
  readonly historyHours?: number;
  /** The wall clock in milliseconds since 1970. */
  readonly now?: () => number;
  /** Waits, and returns early (without an error) when the signal aborts. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A made-up market that needs no network: every tick is a pure function of seed, symbol and time. */
export function createSimulated(options: SimulatedOptions): Source {
  return {
    name: 'simulated',
    description: 'Made-up market for trying things out',
    isSimulated: true,
    instruments: async symbols =>
      (symbols.length === 0 ? MARKETS : findMarkets(symbols)).map(
        ({ symbol, description, pricePrecision }) => ({ symbol, description, pricePrecision }),
      ),
    follow: request => follow(options, request),
  };
}

export const simulated: SourceEntry = {
  name: 'simulated',
  options: [
    {
      flags: '--history <hours>',
      description: 'hours of history that the simulated market fills in',
      default: 24,
      parse: readNumber({ min: 0, max: 99_999 }),
    },
  ],
  create: (_, { history }) => createSimulated({ seed: 1, historyHours: Number(history) }),
};

/** How far a symbol has come, in microseconds since 1970. */
interface Progress {
  readonly quoter: Quoter;
  /** Everything until then, included, was said. */
  readonly saidUntil: number;
  /** The next tick is looked for from here. */
  readonly nextFrom: number;
}

async function* follow(
  options: SimulatedOptions,
  { signal, wanted }: FollowRequest,
): AsyncGenerator<Item> {
  const now = () => (options.now ?? Date.now)() * 1_000;
  const sleep = options.sleep ?? sleepOrAbort;
  let followed = new Map<string, Progress>();
  yield { kind: 'state', state: 'connected' };
  while (!signal.aborted) {
    const asked = wanted();
    const present = now();
    const newcomers = asked.symbols.filter(symbol => !followed.has(symbol));
    followed = new Map(
      asked.symbols.map(symbol => [
        symbol,
        followed.get(symbol) ?? begin(options, asked, symbol, present),
      ]),
    );
    // Alone first: their history is no matter of those who are followed already.
    if (newcomers.length > 0) yield* bring(newcomers);
    if (newcomers.length < followed.size && !signal.aborted) yield* bring([...followed.keys()]);
    if (signal.aborted) return;
    await sleep(untilNextTick([...followed.values()], now()), signal);
  }

  /** The ticks of these symbols until now, and after each group how far they have come. */
  async function* bring(symbols: readonly string[]): AsyncGenerator<Item> {
    const begun = new Map(symbols.flatMap(symbol => entryOf(followed, symbol)));
    const texts = new Map(
      [...begun].map(([symbol, { nextFrom }]) => [symbol, fromEpochMicroseconds(nextFrom)]),
    );
    const isAsked = (tick: Tick) => tick.observedAt >= (texts.get(tick.symbol) ?? '');
    const quoters = [...begun.values()].map(({ quoter }) => quoter);
    const from = Math.min(...[...begun.values()].map(({ nextFrom }) => nextFrom));
    const present = now() + 1;
    for (const group of groupsOfTicks(quoters, from, present, present - DENSE_MICROSECONDS)) {
      const ticks = group.filter(isAsked);
      if (ticks.length > 0) yield { kind: 'ticks', ticks };
      if (signal.aborted) return;
      const last = group.at(-1);
      if (last !== undefined) yield* advance(symbols, epochMicroseconds(last.observedAt));
    }
    yield* advance(symbols, present - 1);
  }

  /** Nobody goes back when the clock does. */
  function* advance(symbols: readonly string[], to: number): Generator<Item> {
    const begun = symbols.flatMap(symbol => entryOf(followed, symbol));
    for (const [from, together] of Map.groupBy(begun, ([, { saidUntil }]) => saidUntil)) {
      yield {
        kind: 'covered',
        symbols: together.map(([symbol]) => symbol),
        from: fromEpochMicroseconds(from),
        to: fromEpochMicroseconds(Math.max(from, to)),
      };
    }
    for (const [symbol, { quoter, saidUntil, nextFrom }] of begun) {
      followed.set(symbol, {
        quoter,
        saidUntil: Math.max(saidUntil, to),
        nextFrom: Math.max(nextFrom, to + 1),
      });
    }
  }
}

function entryOf(followed: ReadonlyMap<string, Progress>, symbol: string): [string, Progress][] {
  const progress = followed.get(symbol);
  return progress === undefined ? [] : [[symbol, progress]];
}

/** After what is stored, or at the beginning of its history. */
function begin(
  options: SimulatedOptions,
  { storedUntil }: Wanted,
  symbol: string,
  present: number,
): Progress {
  const [quoter] = createQuoters(options.seed, [symbol]);
  if (quoter === undefined) throw new Error(`no quoter for ${symbol}`);
  const earliest = Math.max(0, present - MAX_CATCH_UP_HOURS * HOUR_MICROSECONDS);
  const stored = toMicroseconds(storedUntil.get(symbol) ?? '');
  const saidUntil = stored === null ? -1 : epochMicroseconds(stored);
  if (saidUntil >= earliest) return { quoter, saidUntil, nextFrom: saidUntil + 1 };
  const from =
    stored === null
      ? Math.max(0, Math.floor(present - (options.historyHours ?? 24) * HOUR_MICROSECONDS))
      : earliest;
  return { quoter, saidUntil: from, nextFrom: from };
}

/** Milliseconds; short enough to notice soon that the clock was stepped, and that others are wanted. */
function untilNextTick(followed: readonly Progress[], present: number): number {
  const after = Math.max(...followed.map(({ nextFrom }) => nextFrom));
  const horizon = after + LONGEST_SLEEP_MS * 1_000;
  for (let slot = slotOf(after); slot * SLOT_MICROSECONDS < horizon; slot++) {
    const times = followed.map(({ quoter }) => quoter.timeIn(slot));
    const next = Math.min(...times.filter(at => at >= after));
    if (next < horizon) return clamp(Math.ceil((next - present) / 1_000), 0, LONGEST_SLEEP_MS);
  }
  return LONGEST_SLEEP_MS;
}

async function sleepOrAbort(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {});
}

const clamp = (value: number, low: number, high: number) => Math.max(low, Math.min(high, value));
