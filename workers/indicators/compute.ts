import type { ComputedValue, Work } from './indicator.ts';
import type { Candle, Kind } from './kind.ts';

/**
 * Every value that a stretch of work asks for. Each is computed from its own window alone, so it is
 * the same whatever else is computed with it: that is what makes live, backfilled and recomputed
 * values equal.
 */
export function computeValues(
  work: Work,
  kinds: ReadonlyMap<string, Kind>,
): readonly ComputedValue[] {
  const { candles } = work;
  const from = candles.findIndex(candle => sameOrAfter(candle.bucket, work.fromBucket));
  if (from < 0) return [];
  const lastChanged = candles.findLastIndex(candle => sameOrAfter(work.toBucket, candle.bucket));
  const values: ComputedValue[] = [];
  for (const definition of work.indicators) {
    const kind = kinds.get(definition.kind);
    // Another service computes that kind.
    if (kind === undefined) continue;
    const length = definition.bars_required;
    const to = Math.min(candles.length - 1, lastChanged + length - 1);
    for (let index = from; index <= to; index++) {
      const window = candles.slice(Math.max(0, index - length + 1), index + 1);
      const bucket = candles[index]?.bucket;
      if (bucket === undefined) continue;
      const reading = window.length < length ? null : compute(kind, window, definition.params);
      values.push({
        indicatorId: definition.indicator_id,
        bucket,
        value: reading?.value ?? null,
        lines: reading?.lines ?? null,
        verdict: reading?.verdict ?? null,
        bars: window.length,
        revision: work.revision,
      });
    }
  }
  return values;
}

function compute(kind: Kind, window: readonly Candle[], params: Readonly<Record<string, number>>) {
  const reading = kind.compute(window, params);
  return reading !== null && Number.isFinite(reading.value) ? reading : null;
}

/** Buckets are UTC texts of one width, so their order is the order of the text. */
function sameOrAfter(bucket: string, other: string): boolean {
  return bucket >= other;
}
