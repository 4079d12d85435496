import type { Logger } from '../../../db/runtime/logger.ts';
import type { Queue } from '../../queue.ts';
import { deliver } from '../deliver.ts';
import type { Outbox } from '../outbox.ts';

const maxChanges = 500;
const maxDeliveries = 2_000;

/**
 * One pass: bring late ticks into the candles, capture what changed, close what is over, send what
 * waits. Safe to run twice at once: captures wait for each other, deliveries are leased.
 */
export function publishDeltas(parts: {
  outbox: Outbox;
  queue: Queue;
  logger: Logger;
  signal: AbortSignal;
}): () => Promise<void> {
  const { outbox, logger, signal } = parts;
  return async () => {
    let isMore = true;
    while (isMore && !signal.aborted) {
      await refreshLate(outbox, logger);
      const captured = await outbox.captureDeltas(maxChanges);
      const closed = await outbox.closeCandles();
      const deliveries = await outbox.claimDeliveries(maxDeliveries);
      if (deliveries.length > 0) await deliver(deliveries, parts);
      isMore =
        captured.change_count === maxChanges || closed > 0 || deliveries.length === maxDeliveries;
    }
  };
}

async function refreshLate(outbox: Outbox, logger: Logger): Promise<void> {
  try {
    await outbox.refreshLate();
  } catch (error) {
    // Another refresh of these candles runs: the marks stay, the next pass tries again.
    if ((error as { code?: string }).code !== '55P03') throw error;
    logger.debug('a refresh of these candles runs already');
  }
}
