import type { Random } from '../../tests/support/random.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import { epochMicroseconds, fromEpochMicroseconds } from '../../workers/ingest/time.ts';
import type { Ledger, TickKind } from './ledger.ts';

export interface Instrument {
  readonly symbol: string;
  readonly base: number;
  /** Trades have a last price and a size instead of bid and ask. */
  readonly isTrade?: boolean;
}

export interface Made {
  readonly kind: TickKind;
  readonly tick: Tick;
}

/** Makes the ticks of some instruments: in time and late, in order and not, again, other, and wrong. */
export interface Generator {
  make(count: number): Made[];
}

const shares: readonly (readonly [TickKind, number])[] = [
  ['late', 0.03],
  ['duplicate', 0.07],
  ['conflict', 0.01],
  ['bad', 0.015],
  ['reordered', 0.22],
  ['same time', 0.08],
];

function kindAt(draw: number): TickKind {
  let at = draw;
  const share = shares.find(([, size]) => {
    at -= size;
    return at < 0;
  });
  return share?.[0] ?? 'live';
}

const digits = 100_000;

export function createGenerator(
  instruments: readonly Instrument[],
  ledger: Ledger,
  random: Random,
): Generator {
  const prices = new Map(instruments.map(({ symbol, base }) => [symbol, base]));
  const newest = new Map<string, Tick>();
  const held: Tick[] = [];

  function priced(instrument: Instrument, observedAt: string, seq: number): Tick {
    const { symbol, base, isTrade = false } = instrument;
    const moved = (prices.get(symbol) ?? base) * (1 + (random.next() - 0.5) * 0.000_4);
    prices.set(symbol, moved);
    const price = Math.round(moved * digits) / digits;
    if (isTrade) {
      const size = random.chance(0.1) ? null : random.int(1, 500) / 8;
      return { symbol, observedAt, seq, bid: null, ask: null, last: price, size };
    }
    const ask = Math.round((price + base * 0.000_1) * digits) / digits;
    const isOneSided = random.chance(0.03);
    return {
      symbol,
      observedAt,
      seq,
      bid: price,
      ask: isOneSided ? null : ask,
      last: null,
      size: null,
    };
  }

  function makeOne(): Made {
    const instrument = random.pick(instruments);
    const { symbol } = instrument;
    const now = Date.now() * 1_000 + random.int(0, 999);
    const seq = random.int(0, 999);
    const kind = kindAt(random.next());
    switch (kind) {
      case 'late': {
        // From two seconds to three days, as many of each size.
        const seconds = 2 * 10 ** (random.next() * 5.1);
        const at = Math.floor(now - seconds * 1e6);
        return { kind, tick: priced(instrument, fromEpochMicroseconds(at), seq) };
      }
      case 'duplicate':
      case 'conflict': {
        const earlier = ledger.earlier(symbol, random.next());
        if (earlier === undefined) break;
        if (kind === 'duplicate') return { kind, tick: earlier };
        const other = priced(instrument, earlier.observedAt, Number(earlier.seq));
        return { kind, tick: other };
      }
      case 'bad':
        return { kind, tick: makeBad(priced(instrument, fromEpochMicroseconds(now), seq)) };
      case 'same time': {
        const before = newest.get(symbol);
        if (before === undefined) break;
        const next = (Number(before.seq) + 1) % 1_000;
        return { kind, tick: priced(instrument, before.observedAt, next) };
      }
      case 'reordered': {
        held.push(priced(instrument, fromEpochMicroseconds(now), seq));
        if (held.length > 25) return { kind, tick: held.splice(random.int(0, 24), 1)[0] as Tick };
        break;
      }
    }
    const tick = priced(instrument, fromEpochMicroseconds(now - random.int(0, 200_000)), seq);
    newest.set(symbol, tick);
    return { kind: 'live', tick };
  }

  function makeBad(tick: Tick): Tick {
    const later = fromEpochMicroseconds(epochMicroseconds(tick.observedAt) + 3_600e6);
    return random.pick<Tick>([
      { ...tick, bid: -1, last: null },
      { ...tick, bid: null, ask: null, last: 0 },
      { ...tick, observedAt: later },
      { ...tick, symbol: 'NOBODY' },
      { ...tick, bid: null, ask: null, last: null },
    ]);
  }

  return {
    make: count =>
      Array.from({ length: count }, () => {
        const made = makeOne();
        ledger.sent(made.kind, made.tick);
        return made;
      }),
  };
}
