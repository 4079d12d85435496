import { setTimeout as delay } from 'node:timers/promises';
import { readNumber } from '../../../../db/runtime/arguments.ts';
import {
  type FollowRequest,
  type Gap,
  type Instrument,
  type Item,
  type RepairItem,
  type RepairRequest,
  type Source,
  type SourceEntry,
  SourceError,
  type Tick,
  type Wanted,
} from '../../source.ts';
import { quote } from '../../text.ts';
import { epochMicroseconds, fromEpochMicroseconds } from '../../time.ts';
import { chance, MARKETS } from '../simulated/market.ts';
import { createSimulated, simulatedTicks } from '../simulated/source.ts';

/** The market is missed, or not, in stretches of this length. */
export const STRETCH_MICROSECONDS = 3_000_000;

export interface GappyOptions {
  /** The same seed gives the same market and misses the same of it. */
  readonly seed: number;
  /** The share of the market that is missed, from 0 to 1. */
  readonly misses: number;
  /** The share that it missed when it ran before; absent: as much as now. */
  readonly missed?: number;
  /** How much of the past one answer has. */
  readonly pageSeconds: number;
  /** How long an answer takes. */
  readonly pageMs: number;
  /** The wall clock in milliseconds since 1970. */
  readonly now?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * The simulated market over a bad line, to try out what is done about gaps. Of the stretches that it misses,
 * it knows of one half as a stream does that was away, of the other half only afterwards, as one does that
 * finds an id skipped. It does not catch up when it is started anew; but it can be asked for the past.
 */
export function createGappy(options: GappyOptions): Source {
  const { seed } = options;
  const market = createSimulated({ ...options, historyHours: 0 });
  return {
    name: 'gappy',
    description: 'Made-up market over a bad line, for trying out gaps',
    isSimulated: true,
    instruments: async symbols =>
      symbols.length === 0
        ? OFFERED
        : symbols.map(symbol => {
            const found = OFFERED.find(instrument => instrument.symbol === symbol);
            if (found !== undefined) return found;
            const names = OFFERED.map(instrument => instrument.symbol).join(', ');
            throw new SourceError(`the gappy market has no ${quote(symbol)}; it has ${names}`);
          }),
    follow: request => follow(options, market, request),
    repair: (gap, request) => repair(seed, options, gap, request),
  };
}

export const gappy: SourceEntry = {
  name: 'gappy',
  options: [
    {
      flags: '--gappy-misses <share>',
      description: 'how much of the market the gappy source misses',
      default: 0.2,
      parse: readNumber({ min: 0, max: 1 }),
    },
    {
      flags: '--gappy-missed <share>',
      description: 'how much of it the gappy source missed when it ran before; else as much as now',
      default: undefined,
      parse: readNumber({ min: 0, max: 1 }),
    },
    {
      flags: '--gappy-page <seconds>',
      description: 'how much of the past it gives at once',
      default: 60,
      parse: readNumber({ min: 1, max: 86_400 }),
    },
    {
      flags: '--gappy-delay <milliseconds>',
      description: 'how long it takes for that',
      default: 0,
      parse: readNumber({ min: 0, max: 15_000 }),
    },
  ],
  create: (_, { gappyMisses, gappyMissed = gappyMisses, gappyPage, gappyDelay }) =>
    createGappy({
      seed: 1,
      misses: Number(gappyMisses),
      missed: Number(gappyMissed),
      pageSeconds: Number(gappyPage),
      pageMs: Number(gappyDelay),
    }),
};

/** The symbols of the simulated market belong to it. */
const toOurs = (symbol: string) => symbol.replace(/\.SIM$/, '.GAP');
const toMarket = (symbol: string) => symbol.replace(/\.GAP$/, '.SIM');
const OFFERED: readonly Instrument[] = MARKETS.map(({ symbol, description, pricePrecision }) => ({
  symbol: toOurs(symbol),
  description,
  pricePrecision,
}));

function rename<Named extends { readonly symbol: string }>(
  named: Named,
  change: (symbol: string) => string,
): Named {
  return { ...named, symbol: change(named.symbol) };
}

/** What happens to a stretch of a symbol, by its number since 1970. */
export function fateOf(
  { seed, misses }: Pick<GappyOptions, 'seed' | 'misses'>,
  symbol: string,
  stretch: number,
): 'heard' | 'away' | 'skipped' {
  if (chance(`${seed}/${symbol}/missed`, stretch) >= misses) return 'heard';
  return chance(`${seed}/${symbol}/known`, stretch) < 0.5 ? 'away' : 'skipped';
}

const stretchOf = (microseconds: number) => Math.floor(microseconds / STRETCH_MICROSECONDS);
const beginOf = (stretch: number) => stretch * STRETCH_MICROSECONDS;

async function* follow(
  options: GappyOptions,
  market: Source,
  request: FollowRequest,
): AsyncGenerator<Item> {
  // A coverage that ends in a skipped stretch was told by one who did not yet know.
  let asked = request.wanted();
  yield* missedBefore(options, asked);
  const wanted = (): Wanted => {
    const { symbols, changed } = request.wanted();
    return { symbols: symbols.map(toMarket), storedUntil: new Map(), changed };
  };
  for await (const item of market.follow({ ...request, wanted })) {
    if (request.wanted() !== asked) {
      asked = request.wanted();
      yield* missedBefore(options, asked);
    }
    if (item.kind === 'ticks') {
      const ticks = item.ticks
        .map(tick => rename(tick, toOurs))
        .filter(tick => isHeard(options, tick));
      if (ticks.length > 0) yield { kind: 'ticks', ticks };
    } else if (item.kind === 'covered') {
      const [from, to] = [epochMicroseconds(item.from), epochMicroseconds(item.to)];
      for (const symbol of item.symbols) yield* tell(options, toOurs(symbol), from, to);
    } else {
      yield item;
    }
  }
}

/** The moment between two stretches belongs to what was heard, as the ends of what is covered do. */
function isHeard(options: GappyOptions, { symbol, observedAt }: Tick): boolean {
  const at = epochMicroseconds(observedAt);
  const stretch = stretchOf(at);
  return at === beginOf(stretch) || fateOf(options, symbol, stretch) === 'heard';
}

/** What it says of the time from one moment to another. */
function* tell(
  options: GappyOptions,
  symbol: string,
  from: number,
  to: number,
): Generator<Item, void> {
  for (let stretch = stretchOf(from); beginOf(stretch) <= to; stretch++) {
    const fate = fateOf(options, symbol, stretch);
    const [begin, end] = [beginOf(stretch), beginOf(stretch + 1)];
    if (fate !== 'away') {
      yield {
        kind: 'covered',
        symbols: [symbol],
        from: fromEpochMicroseconds(Math.max(from, begin)),
        to: fromEpochMicroseconds(Math.min(to, end)),
      };
    }
    if (fate === 'skipped' && to >= end) yield missed(symbol, begin, end);
  }
}

function* missedBefore(
  { seed, misses, missed: share = misses }: GappyOptions,
  { storedUntil }: Wanted,
): Generator<Item, void> {
  for (const [symbol, until] of storedUntil) {
    const at = epochMicroseconds(until);
    const stretch = stretchOf(at);
    if (at > beginOf(stretch) && fateOf({ seed, misses: share }, symbol, stretch) === 'skipped') {
      yield missed(symbol, beginOf(stretch), at);
    }
  }
}

const missed = (symbol: string, from: number, to: number): Item => ({
  kind: 'missed',
  symbols: [symbol],
  from: fromEpochMicroseconds(from),
  to: fromEpochMicroseconds(to),
  cause: 'some were skipped',
});

/** The newest page first. */
async function* repair(
  seed: number,
  { pageSeconds, pageMs, sleep = sleepOrAbort }: GappyOptions,
  gap: Gap,
  { signal, budget }: RepairRequest,
): AsyncGenerator<RepairItem> {
  const first = epochMicroseconds(gap.from);
  const page = pageSeconds * 1_000_000;
  let to = epochMicroseconds(gap.to);
  for (let asked = 0; asked < budget && to > first; asked++) {
    await sleep(pageMs, signal);
    if (signal.aborted) return;
    const from = Math.max(first, Math.ceil(to / page - 1) * page);
    const ticks = simulatedTicks(seed, [toMarket(gap.symbol)], from, to + 1);
    if (ticks.length > 0) yield { kind: 'ticks', ticks: ticks.map(tick => rename(tick, toOurs)) };
    yield {
      kind: 'covered',
      from: fromEpochMicroseconds(from),
      to: fromEpochMicroseconds(to),
      grade: 'exact',
    };
    to = from;
  }
}

async function sleepOrAbort(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {});
}
