import type { Candle, Kind } from './kind.ts';
import type { ComputedValue, Definition, Work } from './service.ts';

/** An indicator that could not be computed at a bucket. */
export interface Failure {
  readonly definition: Definition;
  readonly bucket: string;
  readonly error: unknown;
}

/**
 * Every value that a stretch of work asks for, one at a time, so that who asks can stop when time is up
 * and go on later. Each is computed from its own window alone, so it is the same whatever else is
 * computed with it: that is what makes live, backfilled and recomputed values equal.
 *
 * @param onFailure Told of an indicator that cannot be computed; the others go on without it.
 */
export function* computeValues(
  work: Work,
  kinds: ReadonlyMap<string, Kind>,
  onFailure: (failure: Failure) => void,
): Generator<ComputedValue, void> {
  const { candles } = work;
  const from = candles.findIndex(candle => sameOrAfter(candle.bucket, work.fromBucket));
  if (from < 0) return;
  const lastChanged = candles.findLastIndex(candle => sameOrAfter(work.toBucket, candle.bucket));
  const failed = new Set<Definition>();
  for (const index of indexes(work, from, candles.length - 1)) {
    const bucket = candles[index]?.bucket ?? '';
    for (const definition of work.indicators) {
      const length = definition.bars_required;
      if (index > lastChanged + length - 1 || failed.has(definition)) continue;
      const window = candles.slice(Math.max(0, index - length + 1), index + 1);
      try {
        const reading = window.length < length ? null : compute(definition, window, kinds);
        yield {
          indicatorId: definition.indicator_id,
          bucket,
          value: reading?.value ?? null,
          lines: reading?.lines ?? null,
          verdict: reading?.verdict ?? null,
          bars: window.length,
          revision: work.revision,
        };
      } catch (error) {
        failed.add(definition);
        onFailure({ definition, bucket, error });
      }
    }
  }
}

/** History goes forwards, to be gone on with where it stopped; live candles are wanted newest first. */
function* indexes({ isHistory }: Work, first: number, last: number): Generator<number> {
  for (let step = 0; step <= last - first; step++) yield isHistory ? first + step : last - step;
}

function compute(
  { kind: name, params }: Definition,
  window: readonly Candle[],
  kinds: ReadonlyMap<string, Kind>,
) {
  const kind = kinds.get(name);
  if (kind === undefined) throw new Error(`this process has no kind ${name}`);
  const reading = kind.compute(window, params);
  return reading !== null && Number.isFinite(reading.value) ? reading : null;
}

/** Buckets are UTC texts of one width, so their order is the order of the text. */
function sameOrAfter(bucket: string, other: string): boolean {
  return bucket >= other;
}
