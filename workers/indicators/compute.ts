import type { Columns, Kind, Reading } from './kind.ts';
import type { ComputedValue, Definition, Due } from './service.ts';
import { type Series, windowOf } from './window.ts';

const PRICES = ['open', 'high', 'low', 'close', 'average'] as const;

/** An indicator that could not be computed at a bucket. */
export interface Failure {
  readonly definition: Definition;
  readonly bucket: string;
  readonly error: unknown;
}

/**
 * Computes what is due. It may end with `rests`: a history has to wait where it is.
 *
 * @param onFailure Told of what cannot be computed; the others go on without it.
 */
export type Compute = (
  work: Due,
  onFailure: (failure: Failure) => void,
) => Iterator<ComputedValue, unknown> | AsyncIterator<ComputedValue, unknown>;

/**
 * Every value that a stretch of work asks for, one at a time, so that who asks can stop when time is up
 * and go on later. Each is computed from its own window alone, so it is the same whatever else is
 * computed with it: that is what makes live, backfilled and recomputed values equal.
 *
 * @param onFailure Told of an indicator that cannot be computed; the others go on without it.
 */
export function* computeValues(
  work: Due,
  kinds: ReadonlyMap<string, Kind>,
  onFailure: (failure: Failure) => void,
): Generator<ComputedValue, void> {
  const { series, isHistory, fromBucket, toBucket, closedTo, revision } = work;
  const { buckets } = series;
  // Buckets are UTC texts of one width, so their order is the order of the text.
  const first = buckets.findIndex(bucket => bucket >= fromBucket);
  if (first < 0) return;
  const lastChanged = buckets.findLastIndex(bucket => bucket <= toBucket);
  const failed = new Set<Definition>();
  for (let step = first; step < buckets.length; step++) {
    // History goes forwards, to be gone on with where it stopped; live candles are wanted newest first.
    const index = isHistory ? step : buckets.length - 1 - (step - first);
    const bucket = buckets[index] ?? '';
    for (const definition of work.indicators) {
      if (failed.has(definition) || index > lastChanged + definition.bars_window - 1) continue;
      const kind = kinds.get(definition.kind);
      if (kind?.isClosedOnly && bucket > closedTo) continue;
      try {
        if (kind === undefined) throw new UnknownKindError(definition.kind);
        const { reading, bars } = readingAt(series, index, kind, definition);
        const isSaid = !isHistory && bucket <= closedTo;
        const price = isSaid ? (series.columns.close[index] ?? null) : null;
        yield { indicatorId: definition.indicator_id, bucket, reading, price, bars, revision };
      } catch (error) {
        failed.add(definition);
        onFailure({ definition, bucket, error });
      }
    }
  }
}

/** A kind that only a newer version has. */
export class UnknownKindError extends Error {
  override readonly name = 'UnknownKindError';
  constructor(kind: string) {
    super(`this process has no kind ${kind}`);
  }
}

/** The value that belongs to one candle of a series; null while it warms up and when there is none. */
export function readingAt(
  series: Series,
  index: number,
  kind: Kind,
  {
    params,
    bars_required,
    bars_window,
  }: Pick<Definition, 'params' | 'bars_required' | 'bars_window'>,
): { reading: Reading | null; bars: number } {
  const from = Math.max(0, index + 1 - bars_window);
  const bars = index + 1 - from;
  if (bars < bars_required) return { reading: null, bars };
  const window = windowOf(series, kind.columns, from, index + 1);
  if (kind.needsPositive && !isPositive(window)) return { reading: null, bars };
  const reading = kind.compute(window, params);
  return { reading: checked(kind.outputs.length, reading), bars };
}

function isPositive(window: Partial<Columns>): boolean {
  return PRICES.every(name => !window[name]?.some(price => price <= 0));
}

/** @throws when a kernel does not give what its kind declares. */
export function checked(outputCount: number, reading: Reading | null): Reading | null {
  if (reading === null || !reading.outputs.every(Number.isFinite)) return null;
  const { outputs, verdict, strength, forecast } = reading;
  if (outputs.length !== outputCount) {
    throw new Error(`${outputs.length} outputs instead of ${outputCount}`);
  }
  const isRightStrength = Math.abs(strength) <= 1 && [0, verdict].includes(Math.sign(strength));
  if (!isRightStrength) throw new Error(`strength ${strength} with verdict ${verdict}`);
  if (forecast === undefined) return reading;
  const { horizon, low, high } = forecast;
  const isInterval = Number.isFinite(low) && Number.isFinite(high) && low <= high;
  if (!isInterval || !Number.isInteger(horizon) || horizon < 1) {
    throw new Error(`a forecast from ${low} to ${high} in ${horizon} bars`);
  }
  return reading;
}
