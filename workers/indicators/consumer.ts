import { Consumer } from 'sqs-consumer';
import type { Logger } from '../../db/runtime/logger.ts';
import { sleep } from '../../db/runtime/process.ts';
import { type CandleDelta, type Refusal, readMessage } from '../messages.ts';
import { isMissingQueue, type Queue } from '../queue.ts';
import { apart } from './apart.ts';

const shortestPauseMs = 250;
const longestPauseMs = 5_000;
/** A queue that nobody has made yet is looked for, each time after twice as long: a service without indicators has none. */
const [firstLookMs, longestLookMs] = [1_000, 4_000];

interface Takers {
  readonly handle: (candles: readonly CandleDelta[]) => Promise<void>;
  readonly refuse: (refusals: readonly Refusal[]) => Promise<void>;
}

/** Hands on all candles of a message body that can be taken, and what cannot; returns that. */
export async function takeMessage(
  body: string,
  { handle, refuse }: Takers,
): Promise<readonly Refusal[]> {
  const { candles, refusals } = readMessage(body);
  const untaken = await apart(candles, handle);
  const refused = [
    ...refusals,
    ...untaken.map(({ item, error }): Refusal => {
      return { reason: 'not_storable', detail: error.message, body: JSON.stringify(item) };
    }),
  ];
  if (refused.length > 0) await refuse(refused);
  return refused;
}

/**
 * Receives the messages of one queue, hands the candles of each to `handle`, and acknowledges it when that
 * succeeded. What is not ours, or can never be taken, is handed to `refuse` and acknowledged with the rest: it
 * would come back for ever.
 * A queue that is missing is waited for: its publisher makes it, and knows what has to be in it.
 *
 * @returns a function that stops receiving and waits for what is in hand.
 */
export function consume(
  options: Takers & {
    readonly queue: Queue;
    readonly queueName: string;
    readonly logger: Logger;
    readonly signal: AbortSignal;
  },
): () => Promise<void> {
  const { queue, queueName, logger, signal } = options;
  let consumer: Consumer | undefined;
  let pauseMs = 0;

  /** Whatever fails, is told once and then tried at ever longer intervals until it works again. */
  const onFailure = (error: Error, what: string): void => {
    if (signal.aborted) return;
    const log = { queue: queueName, reason: error.message };
    if (pauseMs === 0) logger.warn(log, what);
    else logger.debug(log, what);
    pauseMs = Math.min(longestPauseMs, Math.max(shortestPauseMs, 2 * pauseMs));
  };
  const onSuccess = (): void => {
    if (pauseMs > 0) logger.info({ queue: queueName }, 'messages are received again');
    pauseMs = 0;
  };

  const start = async (): Promise<void> => {
    for (let lookMs = firstLookMs; !signal.aborted; lookMs = Math.min(longestLookMs, 2 * lookMs)) {
      try {
        const url = await queue.find(queueName);
        if (url !== undefined) {
          consumer = createConsumer(url);
          consumer.start();
          return;
        }
      } catch (error) {
        onFailure(error as Error, 'queue cannot be reached');
      }
      await sleep(Math.max(lookMs, pauseMs), signal);
    }
  };

  const createConsumer = (queueUrl: string): Consumer => {
    const created = Consumer.create({
      queueUrl,
      sqs: queue.receiver,
      batchSize: 10,
      waitTimeSeconds: 20,
      // Short, since it is how long the messages of a process that died are out of reach.
      visibilityTimeout: 10,
      handleMessageTimeout: 10_000,
      terminateVisibilityTimeout: 1,
      pollingCompleteWaitTimeMs: 3_000,
      preReceiveMessageCallback: () => sleep(pauseMs, signal),
      handleMessage: async message => {
        const refused = await takeMessage(message.Body ?? '', options);
        const [first] = refused;
        if (first !== undefined) {
          const log = { messageId: message.MessageId, reason: first.detail, count: refused.length };
          logger.warn(log, 'message refused, or some of its candles');
        }
        return message;
      },
    });
    created.on('error', error => {
      onFailure(error, 'could not receive');
      // Several requests of one consumer may fail: only the first makes another consumer.
      if (signal.aborted || !isMissingQueue(error) || consumer !== created) return;
      consumer = undefined;
      queue.forget(queueName);
      created.stop({ abort: true });
      void sleep(1_000, signal).then(start);
    });
    created.on('processing_error', error => onFailure(error, 'message comes back'));
    created.on('timeout_error', error => onFailure(error, 'message comes back'));
    created.on('message_processed', onSuccess);
    created.on('empty', onSuccess);
    return created;
  };

  void start();
  return async () => {
    const running = consumer;
    if (running === undefined || !running.status.isRunning) return;
    await new Promise<void>(resolve => {
      running.once('stopped', () => resolve());
      running.stop({ abort: true });
      setTimeout(resolve, 3_000).unref();
    });
  };
}
