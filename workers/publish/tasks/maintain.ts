import type { Sql } from '../../../db/runtime/database.ts';
import type { Logger } from '../../../db/runtime/logger.ts';
import type { Outbox } from '../outbox.ts';

/**
 * When something changed, at most once a minute: store the candles that became quiet, free dead workers and
 * forget what is old. What may take long, old ticks and yesterday's candles, goes on beside it, one at a time.
 * A step that could not be done leaves the run unfinished, so that there is another one.
 */
export function maintain(parts: {
  outbox: Outbox;
  sql: Sql;
  logger: Logger;
  signal: AbortSignal;
}): () => Promise<void> {
  const { outbox, sql, logger, signal } = parts;
  let isStoring = false;

  /** A refresh by somebody else is no failure: the next minute tries again. */
  async function store(step: string, run: () => Promise<void>): Promise<boolean> {
    try {
      await run();
      await sql`select ops.note_maintenance(${step})`;
      return true;
    } catch (error) {
      if (signal.aborted || (error as { code?: string }).code === '55P03') return false;
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ step, reason }, 'maintenance failed, the next minute tries again');
      await sql`select ops.note_maintenance(${step}, ${reason})`;
      return false;
    }
  }

  async function storeAll(): Promise<boolean> {
    if (isStoring) return false;
    isStoring = true;
    try {
      const isApplied = await store('apply_storage', outbox.applyStorage);
      return (await store('reconcile', outbox.reconcileYesterday)) && isApplied;
    } finally {
      isStoring = false;
    }
  }

  async function advance(): Promise<boolean> {
    try {
      await outbox.advanceCandles();
      return true;
    } catch (error) {
      if ((error as { code?: string }).code === '55P03') return false;
      throw error;
    }
  }

  return async () => {
    const [begun] = await sql<{ revisions: string | null }[]>`
      select ops.begin_maintenance() as revisions`;
    const revisions = begun?.revisions ?? null;
    if (revisions === null) return;
    const stored = storeAll();
    // It is waited for below, unless what comes before fails.
    stored.catch(() => undefined);
    const isAdvanced = await advance();
    await sql`select ops.reap_workers()`;
    const purged = await outbox.purge();
    if (purged > 0) logger.debug({ purged }, 'old deltas forgotten');
    stored
      .then(async isStored => {
        if (isStored && isAdvanced) await sql`select ops.end_maintenance(${revisions}::bigint)`;
      })
      .catch((error: unknown) => logger.debug({ err: error }, 'no maintenance'));
  };
}
