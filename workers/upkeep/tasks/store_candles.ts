import type { Logger } from '../../../db/runtime/logger.ts';
import { sleep } from '../../../db/runtime/process.ts';
import type { Upkeep } from '../upkeep.ts';

/** A late tick has to be published within five seconds of its commit. */
const turnEveryMs = 500;

/**
 * A turn brings late ticks into the candles, and stores the candles that are over. There is one at a time,
 * and not more than two a second; as long as there were late ticks, there is another one. Safe to run
 * twice at once in two processes: TimescaleDB lets one of two refreshes of a range fail.
 */
export function storeCandles(parts: {
  upkeep: Upkeep;
  logger: Logger;
  signal: AbortSignal;
  /** Called when the turns have come to rest. */
  onRest: () => void;
}): () => Promise<void> {
  const { upkeep, logger, signal, onRest } = parts;
  let isRunning = false;
  let isMore = false;

  async function refreshLate(): Promise<void> {
    const lateCount = await upkeep.refreshLate();
    if (lateCount === 0) return;
    isMore = true;
    // What is in the candles now may be captured.
    await upkeep.nudgePublisher();
  }

  async function attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      // The marks stay, so a later turn tries again. 55P03: a refresh of these candles runs already.
      // A stop does not wait for a long one: its connection is closed under it.
      const isExpected = signal.aborted || (error as { code?: string }).code === '55P03';
      logger[isExpected ? 'debug' : 'warn']({ err: error }, 'candles could not be stored yet');
    }
  }

  async function run(): Promise<void> {
    while (isMore && !signal.aborted) {
      isMore = false;
      const begunAt = Date.now();
      await attempt(refreshLate);
      await attempt(upkeep.advanceCandles);
      await sleep(Math.max(0, begunAt + turnEveryMs - Date.now()), signal);
    }
  }

  return async () => {
    isMore = true;
    if (isRunning) return;
    isRunning = true;
    try {
      await run();
    } finally {
      isRunning = false;
    }
    onRest();
  };
}
