import type { Logger } from '../../db/runtime/logger.ts';
import { type CandleDelta, encodeMessages, maxMessageBytes } from '../messages.ts';
import { isMissingQueue, type Queue } from '../queue.ts';
import type { Delivery, Outbox } from './outbox.ts';

const lookEveryMs = 60_000;
/** So long a queue is believed to take no longer messages than it said. */
const believeMs = 3_600_000;

interface Envelope {
  readonly body: string;
  readonly deliveries: readonly Delivery[];
}

export interface Senders {
  /** The queues that are being sent to. */
  busy(): string[];
  /**
   * Begins to send, each queue on its own; none of them may be busy.
   * @returns for each queue a promise of its end, which never fails: what was not sent is claimed again.
   */
  start(deliveries: readonly Delivery[]): Promise<void>[];
}

/**
 * One sender a queue, with one batch in its hand, and without regard to the others: a queue that is slow,
 * gone or refuses delays only itself. As few messages as fit, ten a request.
 */
export function createSenders(parts: {
  outbox: Outbox;
  queue: Queue;
  logger: Logger;
  signal: AbortSignal;
}): Senders {
  const { outbox, queue, logger, signal } = parts;
  const busy = new Map<string, Promise<void>>();
  /** Of queues that take shorter messages than ours. */
  const limits = new Map<string, { readonly bytes: number; readonly learnedAt: number }>();

  async function sendAll(name: string, deliveries: readonly Delivery[]): Promise<void> {
    try {
      await sendToQueue(name, deliveries);
    } catch (error) {
      // A stop closes the connections under a sender that is slow.
      if (signal.aborted) return;
      if (isMissingQueue(error)) queue.forget(name);
      const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      logger.warn({ queue: name, reason }, 'queue cannot be reached, its deliveries wait');
      for (const id of new Set(deliveries.map(delivery => delivery.subscription_id))) {
        await outbox.markFailed(id, reason);
      }
    }
  }

  async function sendToQueue(name: string, ofQueue: readonly Delivery[]): Promise<void> {
    if ((await queue.find(name)) === undefined) await makeQueue(name, parts);
    let waiting = pack(ofQueue, limitOf(name));
    while (waiting.length > 0) {
      const group = waiting.slice(0, 10);
      waiting = waiting.slice(10);
      const results = await queue.send(
        name,
        group.map(envelope => envelope.body),
      );
      // First, because a failure gives back all that the subscription has in our hand.
      const sent = group.flatMap(({ deliveries }, index) => (results[index]?.ok ? deliveries : []));
      if (sent.length > 0) await outbox.markSent(sent);
      const refused: Envelope[] = [];
      for (const [index, result] of results.entries()) {
        const envelope = group[index];
        const [delivery, ...others] = envelope?.deliveries ?? [];
        if (result.ok || envelope === undefined || delivery === undefined) continue;
        if (!result.isFinal) await outbox.markFailed(delivery.subscription_id, result.reason);
        else if (others.length > 0) refused.push(envelope);
        else await outbox.bury([delivery], result.reason);
      }
      if (refused.length > 0) waiting = await packSmaller(name, refused, waiting);
    }
  }

  function limitOf(name: string): number {
    const { bytes = maxMessageBytes, learnedAt = 0 } = limits.get(name) ?? {};
    return Date.now() - learnedAt < believeMs ? bytes : maxMessageBytes;
  }

  /** As small as the queue wants; if it does not say, halves, until one candle is alone. */
  async function packSmaller(
    name: string,
    refused: readonly Envelope[],
    waiting: readonly Envelope[],
  ): Promise<Envelope[]> {
    const bytes = (await queue.longestBody(name)) ?? maxMessageBytes;
    if (refused.every(({ body }) => body.length > bytes)) {
      limits.set(name, { bytes, learnedAt: Date.now() });
      return pack(
        [...refused, ...waiting].flatMap(({ deliveries }) => deliveries),
        bytes,
      );
    }
    const halves = refused.flatMap(({ body, deliveries }) => pack(deliveries, body.length / 2));
    return [...halves, ...waiting];
  }

  return {
    busy: () => [...busy.keys()],
    start(deliveries) {
      const byQueue = Map.groupBy(deliveries, delivery => delivery.queue);
      return [...byQueue].map(([name, ofQueue]) => {
        const sending = sendAll(name, ofQueue)
          .catch((error: unknown) => {
            // The database is gone: the lease ends by itself.
            logger.warn({ err: error, queue: name }, 'deliveries could not be marked');
          })
          .finally(() => busy.delete(name));
        busy.set(name, sending);
        return sending;
      });
    },
  };
}

/**
 * Makes a missing queue. One that was used before has lost its messages, so all candles of its
 * subscriptions are queued again first: whoever dies in between leaves a queue that is still missing.
 */
export async function makeQueue(
  name: string,
  { outbox, queue, logger }: { outbox: Outbox; queue: Queue; logger: Logger },
): Promise<void> {
  // Asked before the last look: another publisher may make the queue just now and send to it, which loses nothing.
  const subscriptions = await outbox.sentSubscriptions(name);
  if ((await queue.find(name)) !== undefined) return;
  for (const subscription of subscriptions) {
    const count = await outbox.republish(subscription);
    logger.warn({ queue: name, subscription, count }, 'queue is missing: make it and repeat all');
  }
  await queue.create(name);
}

/**
 * Looks for missing queues, for each once a minute and for a new one at once, so that a lost one is filled
 * again in a quiet market too. While none is missing, this asks only SQS.
 */
export function lookForQueues(parts: {
  outbox: Outbox;
  queue: Queue;
  logger: Logger;
}): (names: readonly string[]) => void {
  const { queue, logger } = parts;
  const lookedAt = new Map<string, number>();
  let isLooking = false;

  async function look(names: readonly string[]): Promise<void> {
    for (const name of names) {
      lookedAt.set(name, Date.now());
      try {
        queue.forget(name);
        if ((await queue.find(name)) === undefined) await makeQueue(name, parts);
      } catch (error) {
        logger.debug({ err: error, queue: name }, 'queue cannot be looked at');
      }
    }
  }

  return names => {
    const due = names.filter(name => Date.now() - (lookedAt.get(name) ?? 0) >= lookEveryMs);
    if (isLooking || due.length === 0) return;
    isLooking = true;
    void look(due).finally(() => {
      isLooking = false;
    });
  };
}

function pack(deliveries: readonly Delivery[], maxBytes: number): Envelope[] {
  const sentAt = new Date().toISOString();
  const envelopes: Envelope[] = [];
  for (const [subscription, own] of Map.groupBy(deliveries, delivery => delivery.subscription)) {
    let taken = 0;
    const bodies = encodeMessages(subscription, own.map(toCandle), sentAt, maxBytes);
    for (const { body, count } of bodies) {
      envelopes.push({ body, deliveries: own.slice(taken, taken + count) });
      taken += count;
    }
  }
  return envelopes;
}

function toCandle(delivery: Delivery): CandleDelta {
  const { symbol, timeframe, side, bucket, open, high, low, close } = delivery;
  const { average, sum, volume, tick_count, is_closed, revision } = delivery;
  return {
    symbol,
    timeframe,
    side,
    bucket,
    open,
    high,
    low,
    close,
    average,
    sum,
    volume,
    tick_count,
    is_closed,
    revision,
  };
}
