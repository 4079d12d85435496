import type { Logger } from '../../../db/runtime/logger.ts';
import { sleep } from '../../../db/runtime/process.ts';
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
  let refreshing: Promise<void> | undefined;
  return async () => {
    let isMore = true;
    while (isMore && !signal.aborted) {
      // A refresh of a long range must not hold up what is live: its marks are captured after it.
      if (refreshing === undefined) {
        refreshing = refreshLate(outbox, logger).finally(() => {
          refreshing = undefined;
        });
      }
      const captured = await outbox.captureDeltas(maxChanges);
      const closed = await outbox.closeCandles();
      const deliveries = await outbox.claimDeliveries(maxDeliveries);
      if (deliveries.length > 0) await deliver(deliveries, parts);
      isMore =
        captured.change_count === maxChanges || closed > 0 || deliveries.length === maxDeliveries;
      // Marks that a long transaction holds are read again and again: not without a breath.
      if (isMore && captured.delta_count === 0 && closed === 0) await sleep(50, signal);
    }
  };
}

async function refreshLate(outbox: Outbox, logger: Logger): Promise<void> {
  try {
    await outbox.refreshLate();
  } catch (error) {
    // The marks stay, so a later pass tries again. 55P03: a refresh of these candles runs already.
    const isBusy = (error as { code?: string }).code === '55P03';
    logger[isBusy ? 'debug' : 'warn']({ err: error }, 'late ticks wait for their refresh');
  }
}
