import type { Sql } from '../../../db/runtime/database.ts';
import type { Logger } from '../../../db/runtime/logger.ts';
import type { Queue } from '../../queue.ts';
import { makeQueue } from '../deliver.ts';
import type { Outbox } from '../outbox.ts';

/**
 * Once a minute: store the candles that became quiet, free dead workers, forget what is old, and make
 * the queues that are missing, so that a lost one is filled again in a quiet market too.
 */
export function maintain(parts: {
  outbox: Outbox;
  queue: Queue;
  sql: Sql;
  logger: Logger;
}): () => Promise<void> {
  const { outbox, queue, sql, logger } = parts;

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

  return async () => {
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
