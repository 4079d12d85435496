import type { Logger } from '../../../db/runtime/logger.ts';
import { sleep } from '../../../db/runtime/process.ts';
import type { Queue } from '../../queue.ts';
import { createSenders } from '../deliver.ts';
import type { Delivery, Outbox } from '../outbox.ts';

const maxChanges = 500;
/** Of one subscription in one pass: what a sender has in its hand, about ten full messages and so one request. */
const maxDeliveries = 2_000;
/** So long a pass waits for the queues, so that what they take at once goes in few messages. */
const sendingMs = 100;

/**
 * One pass: capture what changed, close what is over, queue history that was asked for, send what waits.
 * A queue that takes longer goes on beside the next passes. Safe to run twice at once in two processes:
 * captures wait for each other, deliveries are leased. In one process a second pass would only wait for the
 * first, so that one goes on instead.
 */
export function publishDeltas(parts: {
  outbox: Outbox;
  queue: Queue;
  logger: Logger;
  signal: AbortSignal;
  /** Called when the passes have come to rest. */
  onRest: () => void;
}): () => Promise<void> {
  const { outbox, logger, signal, onRest } = parts;
  const senders = createSenders(parts);
  let isRunning = false;
  let isMore = false;

  async function run(): Promise<void> {
    while (isMore && !signal.aborted) {
      isMore = false;
      const captured = await outbox.captureDeltas(maxChanges);
      const closed = await outbox.closeCandles();
      const stretches = await outbox.continueBackfills();
      const deliveries = await outbox.claimDeliveries(maxDeliveries, senders.busy());
      await send(deliveries);
      isMore ||= captured.change_count === maxChanges || closed > 0 || stretches > 0;
      // Marks that a long transaction holds are read again and again: not without a breath.
      const isStuck = captured.delta_count + closed + deliveries.length === 0;
      if (isMore && isStuck) await sleep(50, signal);
    }
  }

  async function send(deliveries: readonly Delivery[]): Promise<void> {
    const sendings = senders.start(deliveries);
    if (sendings.length === 0) return;
    const isSent = await Promise.race([
      Promise.all(sendings).then(() => true),
      sleep(sendingMs, signal).then(() => false),
    ]);
    const counts = Map.groupBy(deliveries, delivery => delivery.subscription_id);
    if (isSent) isMore ||= [...counts.values()].some(own => own.length === maxDeliveries);
    else for (const sending of sendings) void sending.then(passAgain);
  }

  async function pass(): Promise<void> {
    isMore = true;
    if (isRunning) return;
    isRunning = true;
    try {
      await run();
    } finally {
      isRunning = false;
    }
    onRest();
  }

  /** Beside graphile-worker's jobs: what fails here is tried again by the next one. */
  function passAgain(): void {
    if (signal.aborted) return;
    pass().catch((error: unknown) => logger.debug({ err: error }, 'no pass'));
  }

  return pass;
}
