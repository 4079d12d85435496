import type { Logger } from '../../db/runtime/logger.ts';
import { isMissingQueue, type Queue } from '../queue.ts';
import type { Alerts, Delivery } from './alert.ts';
import type { Webhook } from './webhook.ts';

/** So many messages are on their way at once, each of another rule. */
const maxSending = 50;

/**
 * One pass: look with the rules at what changed, and begin to send what waits. A receiver that takes long is waited for
 * beside the next passes, and delays the messages of its own rule only. Safe to run twice at once in two processes.
 */
export function tellAlerts(parts: {
  alerts: Alerts;
  webhook: Webhook;
  queue: Queue;
  logger: Logger;
  signal: AbortSignal;
  /** Called when the passes have come to rest. */
  onRest: () => void;
}): () => Promise<void> {
  const { alerts, webhook, queue, logger, signal, onRest } = parts;
  let isRunning = false;
  let isMore = false;
  let sending = 0;

  async function run(): Promise<void> {
    while (isMore && !signal.aborted) {
      isMore = false;
      const looked = await alerts.detect();
      await alerts.seeFaults();
      const room = maxSending - sending;
      const deliveries = room > 0 ? await alerts.claimDeliveries(room) : [];
      for (const delivery of deliveries) void send(delivery);
      isMore ||= looked > 0;
    }
  }

  async function send(delivery: Delivery): Promise<void> {
    sending += 1;
    try {
      await (delivery.queue === null ? post(delivery) : put(delivery, delivery.queue));
    } catch (error) {
      // The database is gone, or we stop: the lease ends by itself.
      const { rule_id } = delivery;
      if (!signal.aborted) logger.warn({ err: error, rule_id }, 'an alert could not be marked');
    } finally {
      sending -= 1;
    }
    if (!signal.aborted) {
      pass().catch((error: unknown) => logger.debug({ err: error }, 'no pass'));
    }
  }

  async function post({ delivery_id, rule_id, event_id, webhook: url, secret, body }: Delivery) {
    const answer = await webhook.send({
      url: url ?? '',
      eventId: event_id,
      secret,
      body,
      signal,
    });
    // A stop ended the request: whether it was taken is not known.
    if (signal.aborted) return;
    if (answer.error === undefined) return alerts.markDelivered(delivery_id, answer.status);
    await fail(delivery_id, rule_id, answer.error, answer);
  }

  async function put({ delivery_id, rule_id, body }: Delivery, name: string): Promise<void> {
    const reason = await putInto(name, body);
    if (signal.aborted) return;
    if (reason === undefined) return alerts.markDelivered(delivery_id, undefined);
    await fail(delivery_id, rule_id, reason);
  }

  /** Why it could not be put into the queue, which is made when it is missing. */
  async function putInto(name: string, body: string): Promise<string | undefined> {
    try {
      if ((await queue.find(name)) === undefined) await queue.create(name);
      const [result] = await queue.send(name, [body]);
      return result === undefined || result.ok ? undefined : result.reason;
    } catch (error) {
      if (isMissingQueue(error)) queue.forget(name);
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    }
  }

  async function fail(
    deliveryId: string,
    ruleId: number,
    error: string,
    { status, retryAfterMs }: { status?: number; retryAfterMs: number } = { retryAfterMs: 0 },
  ): Promise<void> {
    logger.warn({ rule_id: ruleId, reason: error }, 'an alert cannot be delivered, it waits');
    await alerts.markFailed(deliveryId, { error, httpStatus: status, retryAfterMs });
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

  return pass;
}
