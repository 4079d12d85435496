import { microseconds } from '../../tests/support/oracle.ts';
import type { Tick } from '../../workers/ingest/source.ts';

export type TickKind =
  | 'live'
  | 'late'
  | 'reordered'
  | 'same time'
  | 'duplicate'
  | 'conflict'
  | 'bad';

/** What came of comparing what is stored with what was sent. */
export interface Comparison {
  /** How many of each were looked at. */
  readonly compared: Record<string, number>;
  readonly differences: string[];
}

interface Entry {
  /** Every content that was sent under this key, in the order of sending. */
  readonly contents: Tick[];
  isAcknowledged: boolean;
}

/** What was sent, and what the database promised to have stored. Shares nothing with the database. */
export interface Ledger {
  /** Good ticks only; bad ones are counted. */
  sent(kind: TickKind, tick: Tick): void;
  acknowledged(ticks: readonly Tick[]): void;
  /**
   * When the first tick was acknowledged that is not older than `observedUntil`, of those since the last call;
   * infinite: none. Both in milliseconds since 1970. `observedUntil` may not fall from call to call.
   */
  acknowledgedSince(observedUntil: number): number;
  readonly counts: Readonly<Record<TickKind, number>>;
  /** A good tick of this symbol that was sent at any time before. */
  earlier(symbol: string, at: number): Tick | undefined;
  symbols(): string[];
  /** By key, see {@link keyOfTick}. */
  entriesOf(symbol: string): ReadonlyMap<string, Entry>;
}

export function keyOfTick(tick: Tick): string {
  return `${microseconds(tick.observedAt)} ${tick.seq}`;
}

export function createLedger(): Ledger {
  const bySymbol = new Map<string, Map<string, Entry>>();
  const order = new Map<string, Tick[]>();
  /** Each is newer than all that were acknowledged before. */
  let newest: { observedAt: number; acknowledgedAt: number }[] = [];
  const counts: Record<TickKind, number> = {
    live: 0,
    late: 0,
    reordered: 0,
    'same time': 0,
    duplicate: 0,
    conflict: 0,
    bad: 0,
  };
  return {
    counts,
    sent(kind, tick) {
      counts[kind] += 1;
      if (kind === 'bad') return;
      const entries = bySymbol.get(tick.symbol) ?? new Map<string, Entry>();
      bySymbol.set(tick.symbol, entries);
      const key = keyOfTick(tick);
      const entry = entries.get(key);
      if (entry === undefined) {
        entries.set(key, { contents: [tick], isAcknowledged: false });
        const ticks = order.get(tick.symbol);
        if (ticks === undefined) order.set(tick.symbol, [tick]);
        else ticks.push(tick);
      } else if (!entry.contents.some(known => isSame(known, tick))) {
        entry.contents.push(tick);
      }
    },
    acknowledged(ticks) {
      for (const tick of ticks) {
        const entry = bySymbol.get(tick.symbol)?.get(keyOfTick(tick));
        if (entry === undefined) continue;
        entry.isAcknowledged = true;
        const observedAt = Number(microseconds(tick.observedAt) / 1_000n);
        if (observedAt > (newest.at(-1)?.observedAt ?? 0)) {
          newest.push({ observedAt, acknowledgedAt: Date.now() });
        }
      }
    },
    acknowledgedSince(observedUntil) {
      newest = newest.filter(({ observedAt }) => observedAt >= observedUntil);
      return newest[0]?.acknowledgedAt ?? Infinity;
    },
    earlier(symbol, at) {
      const ticks = order.get(symbol) ?? [];
      return ticks[Math.floor(at * ticks.length)];
    },
    symbols: () => [...bySymbol.keys()],
    entriesOf: symbol => bySymbol.get(symbol) ?? new Map(),
  };
}

/** The same prices and size; both have the same key. */
export function isSame(one: Tick, other: Tick): boolean {
  return (
    one.bid === other.bid &&
    one.ask === other.ask &&
    one.last === other.last &&
    one.size === other.size
  );
}
