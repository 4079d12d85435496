import type { Tick } from '../../workers/ingest/source.ts';
import { fromEpochMicroseconds } from '../../workers/ingest/time.ts';

/** Ticks at an even pace with prices that go up and down; all long over. */
export function ticksOf(
  symbol: string,
  count: number,
  { from = '2026-03-02T10:00:00Z', everyMs = 1_300, base = 1.1 } = {},
): Tick[] {
  const start = Date.parse(from);
  return Array.from({ length: count }, (_, index) => {
    const bid = Number(
      (base + 0.01 * Math.sin(index / 17) + (0.000_1 * (index % 7)) / 3).toFixed(5),
    );
    return {
      symbol,
      observedAt: fromEpochMicroseconds((start + index * everyMs) * 1_000 + (index % 1_000)),
      seq: index % 3,
      bid,
      ask: Number((bid + 0.000_2).toFixed(5)),
      last: null,
      size: null,
    };
  });
}

export function shuffled<Item>(items: readonly Item[], seed = 1): Item[] {
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  return items
    .map(item => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
