import { Consumer } from 'sqs-consumer';
import type { Logger } from '../../db/runtime/logger.ts';
import { sleep } from '../../db/runtime/process.ts';
import { decodeMessage, type Message, MessageError } from '../messages.ts';
import type { Queue } from '../queue.ts';
import { isMissingQueue } from '../queue.ts';

/**
 * Receives the messages of one queue, hands each to `handle`, and acknowledges it when that
 * succeeded. A message that is not ours is logged and acknowledged: it would come back for ever.
 *
 * @returns a function that stops receiving and waits for what is in hand.
 */
export function consume(options: {
  queue: Queue;
  queueName: string;
  handle: (message: Message) => Promise<void>;
  logger: Logger;
  signal: AbortSignal;
}): () => Promise<void> {
  const { queue, queueName, logger, signal } = options;
  let consumer: Consumer | undefined;

  const start = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        const { url } = await queue.ensure(queueName);
        consumer = createConsumer(url);
        consumer.start();
        return;
      } catch (error) {
        logger.warn(
          { queue: queueName, reason: (error as Error).message },
          'queue cannot be reached',
        );
        await sleep(1_000, signal);
      }
    }
  };

  const createConsumer = (queueUrl: string): Consumer => {
    const created = Consumer.create({
      queueUrl,
      sqs: queue.receiver,
      batchSize: 10,
      waitTimeSeconds: 20,
      visibilityTimeout: 30,
      pollingCompleteWaitTimeMs: 3_000,
      authenticationErrorTimeout: 5_000,
      handleMessage: async message => {
        try {
          await options.handle(decodeMessage(message.Body ?? ''));
        } catch (error) {
          if (!(error instanceof MessageError)) throw error;
          logger.warn({ messageId: message.MessageId, reason: error.message }, 'message refused');
        }
        return message;
      },
    });
    created.on('error', error => {
      if (signal.aborted) return;
      logger.warn({ queue: queueName, reason: error.message }, 'could not receive');
      if (isMissingQueue(error) || /QueueDoesNotExist|NonExistentQueue/.test(error.message)) {
        queue.forget(queueName);
        created.stop({ abort: true });
        void sleep(1_000, signal).then(start);
      }
    });
    created.on('processing_error', error =>
      logger.warn({ queue: queueName, reason: error.message }, 'message comes back'),
    );
    return created;
  };

  void start();
  return async () => {
    const running = consumer;
    if (running === undefined) return;
    await new Promise<void>(resolve => {
      running.once('stopped', () => resolve());
      running.stop({ abort: true });
      setTimeout(resolve, 3_000).unref();
    });
  };
}
