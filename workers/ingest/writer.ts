import type { Logger } from '../../db/runtime/logger.ts';
import { type Batcher, createBatcher } from './batch.ts';
import type { Counts, Feed } from './feed.ts';
import { createRecorder } from './record.ts';
import type { Tick } from './source.ts';

/** Ticks of the largest batch. */
const fullBatch = 8_000;

/** Collects ticks and stores them in batches. */
export interface Writer extends Batcher<Tick> {
  /** Resolves when all that was added until now is stored; false when some of it never will be. */
  stored(): Promise<boolean>;
  /** How many ticks a stop did not let it store. */
  lost(): number;
}

/** Batches of at most 20 ms or 8,000 ticks. A full batch does not wait for the one before it. */
export function createWriter(parts: {
  source: string;
  feed: Feed;
  logger: Logger;
  signal: AbortSignal;
  onStored: (counts: Counts) => void;
}): Writer {
  const recorder = createRecorder(parts);
  let lost = 0;
  let added = 0;
  let begun = 0;
  /** Of each batch that is being stored, how many ticks came before it. */
  const storing = new Set<number>();
  let newest = Promise.resolve();
  let waiting: { readonly position: number; readonly resolve: (isStored: boolean) => void }[] = [];

  async function store(ticks: readonly Tick[]): Promise<void> {
    const place = begun;
    begun += ticks.length;
    storing.add(place);
    try {
      parts.onStored(await recorder.record(ticks));
    } catch (error) {
      if (lost === 0) {
        parts.logger.error({ err: error }, 'the database is away and the process has to stop');
      }
      lost += ticks.length;
    }
    storing.delete(place);
    tellWaiting();
  }

  function tellWaiting(): void {
    const done = Math.min(begun, ...storing);
    const isDone = ({ position }: { position: number }) => lost > 0 || position <= done;
    for (const { resolve } of waiting.filter(isDone)) resolve(lost === 0);
    waiting = waiting.filter(each => !isDone(each));
  }

  const batcher = createBatcher<Tick>({
    maxItems: fullBatch,
    maxWaitMs: 20,
    // Two batches, as two are being stored: all of it within the seconds that a stop is given.
    maxWaiting: 2 * fullBatch,
    write: async ticks => {
      const before = newest;
      newest = store(ticks);
      // Only when more waits than fits: what comes meanwhile shall go with the next one.
      await (ticks.length < fullBatch ? newest : before);
    },
  });
  return {
    async add(ticks) {
      added += ticks.length;
      await batcher.add(ticks);
    },
    async drain() {
      await batcher.drain();
      await newest;
    },
    stored: () =>
      new Promise(resolve => {
        waiting.push({ position: added, resolve });
        tellWaiting();
      }),
    lost: () => lost,
  };
}
