import type { Sql } from '../../../db/runtime/database.ts';
import type { Logger } from '../../../db/runtime/logger.ts';
import type { Queue } from '../../queue.ts';
import { makeQueue } from '../deliver.ts';
import type { Outbox } from '../outbox.ts';

/**
 * Once a minute: store the candles that became quiet, free dead workers, forget what is old, and make
 * the queues that are missing, so that a lost one is filled again in a quiet market too. What may take
 * long, old ticks and yesterday's candles, goes on beside it, one at a time.
 */
export function maintain(parts: {
  outbox: Outbox;
  queue: Queue;
  sql: Sql;
  logger: Logger;
  signal: AbortSignal;
}): () => Promise<void> {
  const { outbox, queue, sql, logger, signal } = parts;
  let isStoring = false;

  async function makeMissingQueues(): Promise<void> {
    try {
      for (const name of await outbox.queues()) {
        queue.forget(name);
        if ((await queue.find(name)) === undefined) await makeQueue(name, parts);
      }
    } catch (error) {
      logger.debug({ err: error }, 'queues cannot be looked at');
    }
  }

  /** A refresh by somebody else is no failure: the next minute tries again. */
  async function store(step: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
      await sql`select ops.note_maintenance(${step})`;
    } catch (error) {
      if (signal.aborted || (error as { code?: string }).code === '55P03') return;
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ step, reason }, 'maintenance failed, the next minute tries again');
      await sql`select ops.note_maintenance(${step}, ${reason})`;
    }
  }

  async function storeAll(): Promise<void> {
    if (isStoring) return;
    isStoring = true;
    try {
      await store('apply_storage', outbox.applyStorage);
      await store('reconcile', outbox.reconcileYesterday);
    } catch (error) {
      logger.debug({ err: error }, 'no maintenance');
    } finally {
      isStoring = false;
    }
  }

  return async () => {
    void storeAll();
    await makeMissingQueues();
    try {
      await outbox.advanceCandles();
    } catch (error) {
      if ((error as { code?: string }).code !== '55P03') throw error;
    }
    await sql`select ops.reap_workers()`;
    const purged = await outbox.purge();
    if (purged > 0) logger.debug({ purged }, 'old deltas forgotten');
  };
}
