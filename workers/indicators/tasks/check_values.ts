import type { Logger } from '../../../db/runtime/logger.ts';
import { type Compute, type Failure, UnknownKindError } from '../compute.ts';
import type { CheckedValue, DrawnValue, ServiceStore } from '../service.ts';

/** So often at most, and so many values each time: what all processes of a service draw together. */
const everyMs = 10_000;
const maxValues = 8;

interface Options {
  readonly service: string;
  readonly store: Pick<ServiceStore, 'drawValues' | 'compareValues'>;
  readonly compute: Compute;
  readonly logger: Logger;
}

/**
 * The standing check that stored values follow from stored candles: computes some again, drawn at random, in the
 * same way from the same windows as live ones, and hands them in to be compared.
 *
 * It is asked for after work, and never makes work of its own: in a quiet market there is nothing new to check.
 */
export function createCheck({ service, store, compute, logger }: Options): () => Promise<void> {
  let dueAt = Number.NEGATIVE_INFINITY;

  async function computeAgain(drawn: DrawnValue): Promise<CheckedValue | undefined> {
    const { definition, series, bucket, revision } = drawn;
    const log = { service, indicator_id: definition.indicator_id, bucket };
    const one = { fromBucket: bucket, toBucket: bucket, closedTo: bucket, isHistory: false };
    const onFailure = ({ error: err }: Failure) => {
      if (!(err instanceof UnknownKindError)) logger.warn({ err, ...log }, 'not checked');
    };
    const work = { ...one, revision, indicators: [definition], series };
    const step = await compute(work, onFailure).next();
    // A candle that was given up, or a value that cannot be computed.
    if (step.done) return undefined;
    const { reading, bars } = step.value;
    const isWhole = bars === definition.bars_window;
    const windowStart = isWhole ? (series.buckets.at(-bars) ?? null) : null;
    return { drawn, reading, bars, windowStart };
  }

  async function check(): Promise<void> {
    const computed: CheckedValue[] = [];
    for (const drawn of await store.drawValues(maxValues, everyMs)) {
      const value = await computeAgain(drawn);
      if (value !== undefined) computed.push(value);
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
