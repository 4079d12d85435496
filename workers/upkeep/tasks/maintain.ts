import type { Logger } from '../../../db/runtime/logger.ts';
import { sleep } from '../../../db/runtime/process.ts';
import type { Upkeep } from '../upkeep.ts';

/** A long history is scored over many minutes, and with rests after each step, so that what is live goes on beside it. */
const scoringMs = 40_000;
/** Times as long as the step took. */
const restTimes = 3;

/**
 * When something changed, at most once a minute: free dead workers, forget what is old, find what queues lost, score
 * what was said. What may take long, storage and yesterday's candles, goes on beside it, one at a time. A step that
 * could not be done leaves the run unfinished, so that there is another one.
 */
export function maintain(parts: {
  upkeep: Upkeep;
  logger: Logger;
  signal: AbortSignal;
}): () => Promise<void> {
  const { upkeep, logger, signal } = parts;
  let isStoring = false;

  /** A refresh by somebody else is no failure: the next minute tries again. */
  async function store(step: string, run: () => Promise<void>): Promise<boolean> {
    try {
      await run();
      await upkeep.noteMaintenance(step);
      return true;
    } catch (error) {
      if (signal.aborted || (error as { code?: string }).code === '55P03') return false;
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ step, reason }, 'maintenance failed, the next minute tries again');
      await upkeep.noteMaintenance(step, reason);
      return false;
    }
  }

  async function storeAll(): Promise<boolean> {
    if (isStoring) return false;
    isStoring = true;
    try {
      const isApplied = await store('apply_storage', upkeep.applyStorage);
      return (await store('reconcile', upkeep.reconcileYesterday)) && isApplied;
    } finally {
      isStoring = false;
    }
  }

  async function score(): Promise<void> {
    const endsAt = performance.now() + scoringMs;
    while (!signal.aborted && performance.now() < endsAt) {
      const begunAt = performance.now();
      if ((await upkeep.scoreSome()) === 0) return;
      await sleep(restTimes * (performance.now() - begunAt), signal);
    }
  }

  return async () => {
    const revisions = await upkeep.beginMaintenance();
    if (revisions === undefined) return;
    const stored = storeAll();
    // It is waited for below, unless what comes before fails.
    stored.catch(() => undefined);
    await upkeep.reapWorkers();
    const purged = await upkeep.purge();
    if (purged > 0) logger.debug({ purged }, 'old deltas forgotten');
    const missed = await upkeep.findMissed();
    if (missed > 0) logger.warn({ missed }, 'candles that a queue lost are computed now');
    const isScored = await store('score', score);
    stored
      .then(async isStored => {
        if (isStored && isScored) await upkeep.endMaintenance(revisions);
      })
      .catch((error: unknown) => logger.debug({ err: error }, 'no maintenance'));
  };
}
