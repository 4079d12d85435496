import { setTimeout as delay } from 'node:timers/promises';
import type { Source, Tick, TickRequest } from '../../source.ts';
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
    isSimulated: true,
    instruments: async symbols =>
      (symbols.length === 0 ? MARKETS : findMarkets(symbols)).map(
        ({ symbol, description, pricePrecision }) => ({ symbol, description, pricePrecision }),
      ),
    ticks: request => follow(options, request),
  };
}

async function* follow(options: SimulatedOptions, request: TickRequest) {
  const { signal, report } = request;
  const now = () => (options.now ?? Date.now)() * 1_000;
  const sleep = options.sleep ?? sleepOrAbort;
  const quoters = createQuoters(options.seed, request.symbols);
  const starts = firstMoments(request, now(), options.historyHours ?? 24);
  const startTexts = new Map([...starts].map(([key, at]) => [key, fromEpochMicroseconds(at)]));
  const isAsked = (tick: Tick) => tick.observedAt >= (startTexts.get(tick.symbol) ?? '');
  let sentUntil = Math.min(...starts.values());
  report({ kind: 'connected', coveredFrom: fromEpochMicroseconds(sentUntil) });
  while (!signal.aborted) {
    const present = now() + 1;
    for (const group of groupsOfTicks(quoters, sentUntil, present, present - DENSE_MICROSECONDS)) {
      const asked = group.filter(isAsked);
      report({ kind: 'alive' });
      if (asked.length > 0) yield asked;
      if (signal.aborted) return;
    }
    report({ kind: 'alive' });
    sentUntil = Math.max(sentUntil, present);
    await sleep(untilNextTick(quoters, sentUntil, now()), signal);
  }
}

/** Where each symbol's ticks begin: after what is stored, or at the beginning of its history. */
function firstMoments(request: TickRequest, present: number, historyHours: number) {
  const earliest = present - MAX_CATCH_UP_HOURS * HOUR_MICROSECONDS;
  return new Map(
    request.symbols.map(symbol => {
      const stored = toMicroseconds(request.storedUntil.get(symbol) ?? '');
      const from =
        stored === null
          ? Math.floor(present - historyHours * HOUR_MICROSECONDS)
          : Math.max(epochMicroseconds(stored) + 1, earliest);
      return [symbol, Math.max(0, from)];
    }),
  );
}

/** Milliseconds; short enough to notice soon that the clock was stepped. */
function untilNextTick(quoters: readonly Quoter[], after: number, present: number): number {
  const horizon = after + LONGEST_SLEEP_MS * 1_000;
  for (let slot = slotOf(after); slot * SLOT_MICROSECONDS < horizon; slot++) {
    const next = Math.min(...quoters.map(quoter => quoter.timeIn(slot)).filter(at => at >= after));
    if (next < horizon) return clamp(Math.ceil((next - present) / 1_000), 0, LONGEST_SLEEP_MS);
  }
  return LONGEST_SLEEP_MS;
}

async function sleepOrAbort(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {});
}

const clamp = (value: number, low: number, high: number) => Math.max(low, Math.min(high, value));
