import { computeValues } from '../compute.ts';
import type { IndicatorStore } from '../indicator.ts';
import type { Kind } from '../kind.ts';

const maxCandles = 500;
const maxBackfillCandles = 1_000;

/**
 * Computes what waits: changed candles first, then a stretch of history at a time. Values are stored
 * before the work is struck off, so a death in between only repeats it.
 */
export function computeValuesTask({
  store,
  kinds,
  signal,
}: {
  store: IndicatorStore;
  kinds: ReadonlyMap<string, Kind>;
  signal: AbortSignal;
}): () => Promise<void> {
  return async () => {
    while (!signal.aborted) {
      if (await computePending(store, kinds)) continue;
      if (!(await computeBackfill(store, kinds))) return;
    }
  };
}

async function computePending(
  store: IndicatorStore,
  kinds: ReadonlyMap<string, Kind>,
): Promise<boolean> {
  const works = await store.claimPending(maxCandles);
  if (works.length === 0) return false;
  const values = works.flatMap(work => computeValues(work, kinds));
  if (values.length > 0) await store.recordValues(values);
  await store.finishPending(works);
  return true;
}

async function computeBackfill(
  store: IndicatorStore,
  kinds: ReadonlyMap<string, Kind>,
): Promise<boolean> {
  const work = await store.claimBackfill(maxBackfillCandles);
  if (work === undefined) return false;
  const values = computeValues(work, kinds);
  if (values.length > 0) await store.recordValues(values);
  await store.finishBackfill(work);
  return true;
}
