import type { Logger } from '../../../db/runtime/logger.ts';
import { readingAt } from '../compute.ts';
import type { Kind } from '../kind.ts';
import type { CheckedValue, ServiceStore } from '../service.ts';

/** So often at most, and so many values each time: what all processes of a service draw together. */
const everyMs = 10_000;
const maxValues = 8;

interface Options {
  readonly service: string;
  readonly store: Pick<ServiceStore, 'drawValues' | 'compareValues'>;
  readonly kinds: ReadonlyMap<string, Kind>;
  readonly logger: Logger;
}

/**
 * The standing check that stored values follow from stored candles: computes some again, drawn at random, by the same
 * kernels from the same windows as live ones, and hands them in to be compared.
 *
 * It is asked for after work, and never makes work of its own: in a quiet market there is nothing new to check.
 */
export function createCheck({ service, store, kinds, logger }: Options): () => Promise<void> {
  let dueAt = Number.NEGATIVE_INFINITY;

  async function check(): Promise<void> {
    const computed: CheckedValue[] = [];
    for (const drawn of await store.drawValues(maxValues, everyMs)) {
      const { definition, series, bucket } = drawn;
      const kind = kinds.get(definition.kind);
      const index = series.buckets.lastIndexOf(bucket);
      // A kind that only a newer version has, or a candle that was given up.
      if (kind === undefined || index < 0) continue;
      try {
        const { reading, bars } = readingAt(series, index, kind, definition);
        const isWhole = bars === definition.bars_window;
        const windowStart = isWhole ? (series.buckets[index + 1 - bars] ?? null) : null;
        computed.push({ drawn, reading, bars, windowStart });
      } catch (err) {
        logger.warn({ err, service, indicator_id: definition.indicator_id, bucket }, 'not checked');
      }
      // Live candles do not wait for all of them.
      await new Promise(setImmediate);
    }
    if (computed.length === 0) return;
    const differing = await store.compareValues(computed);
    if (differing > 0)
      logger.error({ service, differing }, 'stored values differ from their candles');
  }

  return async () => {
    const now = performance.now();
    if (now < dueAt) return;
    dueAt = now + everyMs;
    // Nothing that is computed depends on it.
    await check().catch((err: unknown) =>
      logger.warn({ err, service }, 'no check of stored values'),
    );
  };
}
