import type { Tick } from '../source.ts';
import { createCopies, TickFileError, type TickFileItem } from './csv.ts';

type Groups = AsyncIterable<readonly TickFileItem[]>;
type Side = 'bid' | 'ask';

interface Reader {
  readonly side: Side;
  readonly items: AsyncIterator<TickFileItem>;
  /** The next tick of the file, and its line; null at its end. */
  next: { readonly tick: Tick; readonly line: number; readonly decimals: number } | null;
  price: number | null;
}

/**
 * Quotes of a file of bids and one of asks. Those of one time become one quote, the first with the first;
 * where only one file has a time, the other's price is the one before it. Lines are those of the bids.
 *
 * @throws {TickFileError} when one of them is not in the order of time.
 */
export async function* joinSides(bids: Groups, asks: Groups): AsyncGenerator<TickFileItem[]> {
  const copyOf = createCopies();
  const readers: Reader[] = [
    { side: 'bid', items: flat(bids), next: null, price: null },
    { side: 'ask', items: flat(asks), next: null, price: null },
  ];
  let line = 0;
  try {
    for (const reader of readers) yield* advance(reader);
    for (;;) {
      const times = readers.flatMap(({ next }) => (next === null ? [] : [next.tick.observedAt]));
      const [observedAt] = times.sort();
      if (observedAt === undefined) return;
      const due = readers.filter(({ next }) => next?.tick.observedAt === observedAt);
      let symbol = '';
      let decimals = 0;
      for (const reader of due) {
        const { next, side } = reader;
        if (next === null) continue;
        reader.price = next.tick[side] ?? next.tick.last;
        symbol = next.tick.symbol;
        decimals = Math.max(decimals, next.decimals);
        if (side === 'bid') line = next.line;
      }
      const [bid = null, ask = null] = readers.map(reader => reader.price);
      const quote: Tick = { symbol, observedAt, seq: null, bid, ask, last: null, size: null };
      if (bid !== null || ask !== null) {
        yield [{ line, tick: { ...quote, copy: copyOf(quote) }, decimals }];
      }
      for (const reader of due) yield* advance(reader);
    }
  } finally {
    for (const { items } of readers) await items.return?.();
  }
}

/** Goes on to the next tick; lines on the way that are none are passed on. */
async function* advance(reader: Reader): AsyncGenerator<TickFileItem[]> {
  const before = reader.next;
  for (;;) {
    const { value, done } = await reader.items.next();
    if (done === true) {
      reader.next = null;
      return;
    }
    if ('tick' in value) {
      if (before !== null && value.tick.observedAt < before.tick.observedAt) {
        throw new TickFileError(
          `line ${value.line} of the ${reader.side}s is older than line ${before.line}: quotes of two files need both in the order of time`,
        );
      }
      reader.next = value;
      return;
    }
    const { rejection } = value;
    const detail = `of the ${reader.side}s: ${rejection.detail}`;
    yield [{ line: value.line, rejection: { ...rejection, detail } }];
  }
}

async function* flat(groups: Groups): AsyncGenerator<TickFileItem> {
  for await (const group of groups) yield* group;
}
