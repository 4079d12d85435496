import type { Sql } from '../../../db/runtime/database.ts';
import type { Logger } from '../../../db/runtime/logger.ts';
import type { Outbox } from '../outbox.ts';

/** Once a minute: store the candles that became quiet, free dead workers, forget what is old. */
export function maintain({
  outbox,
  sql,
  logger,
}: {
  outbox: Outbox;
  sql: Sql;
  logger: Logger;
}): () => Promise<void> {
  return async () => {
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
