import { sleep } from '../../db/runtime/process.ts';
import type { Source, Tick } from '../../workers/ingest/source.ts';
import { fromEpochMicroseconds } from '../../workers/ingest/time.ts';

/** Ticks that become due at a steady rate, the instruments in turn, whatever the system does. */
export interface Schedule {
  /** Milliseconds since 1970 at which the first is due. */
  readonly startsAt: number;
  /** Ticks a second of all instruments together. */
  readonly rate: number;
  readonly count: number;
  readonly symbols: readonly string[];
  /** The price number of the first tick of each instrument; each later one has the next. */
  readonly firstNumber: number;
  /** Stays connected after the last tick, until it is told to stop. */
  readonly isEndless?: boolean;
}

/** Milliseconds since 1970 at which tick `index` of a schedule is due. */
export function dueAt(schedule: Schedule, index: number): number {
  return schedule.startsAt + (index * 1_000) / schedule.rate;
}

/** A mid that says exactly which tick of its instrument it belongs to. */
export function priceOf(number: number): number {
  return 1 + number / 2 ** 20;
}

/**
 * The inverse of {@link priceOf}, also of a price that was told to 15 digits; 0 or less for prices of the history, which
 * are below 1.
 */
export function numberOf(price: number): number {
  return Math.round((price - 1) * 2 ** 20);
}

/**
 * A source that hands out each tick as soon as it is due: for the real ingest, which makes batches of
 * it. What comes late (a busy event loop, a full batcher) is sent late and still counts from its time.
 */
export function scheduledSource(schedule: Schedule): Source {
  return {
    name: 'manual',
    description: 'Ticks of the benchmark',
    isSimulated: false,
    instruments: async symbols =>
      symbols.map(symbol => ({ symbol, description: 'bench', pricePrecision: 5 })),
    async *follow({ signal }) {
      yield { kind: 'state', state: 'connected' };
      let next = 0;
      while ((schedule.isEndless || next < schedule.count) && !signal.aborted) {
        const due: Tick[] = [];
        for (
          const now = Date.now();
          next < schedule.count && dueAt(schedule, next) <= now;
          next++
        ) {
          due.push(tickOf(schedule, next));
        }
        if (due.length > 0) yield { kind: 'ticks', ticks: due };
        await sleep(next < schedule.count ? 4 : 1_000, signal);
      }
    },
  };
}

function tickOf(schedule: Schedule, index: number): Tick {
  const { symbols, firstNumber } = schedule;
  const mid = priceOf(firstNumber + Math.floor(index / symbols.length));
  return {
    symbol: symbols[index % symbols.length] ?? '',
    observedAt: fromEpochMicroseconds(Math.round(dueAt(schedule, index) * 1_000)),
    seq: 0,
    // A power of two, so that the mid comes out exact.
    bid: mid - 2 ** -12,
    ask: mid + 2 ** -12,
    last: null,
    size: null,
  };
}
