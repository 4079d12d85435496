import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  SendMessageBatchCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';

export interface QueueOptions {
  readonly region: string;
  /** Absent: Amazon's endpoint of the region. */
  readonly endpoint: string | undefined;
}

/** What became of one message of a batch. */
export type SendResult =
  | { readonly ok: true }
  /** `isFinal`: the message itself was refused, trying again cannot help. */
  | { readonly ok: false; readonly isFinal: boolean; readonly reason: string };

/** SQS as this project needs it: it knows queues and bodies, not candles. */
export interface Queue {
  /** The client that long polls; apart from the one that sends, so that neither waits for sockets. */
  readonly receiver: SQSClient;
  /** URL of a queue by its name; undefined when there is none. */
  find(name: string): Promise<string | undefined>;
  /** Makes a queue; one that is there stays as it is. */
  create(name: string): Promise<void>;
  /**
   * Sends up to ten bodies with one request; result i is of body i.
   * @throws when the request as a whole failed, also when there is no such queue.
   */
  send(name: string, bodies: readonly string[]): Promise<SendResult[]>;
  /** The longest body in bytes that a queue takes; undefined when SQS does not say. */
  longestBody(name: string): Promise<number | undefined>;
  /** Forgets a queue's URL, after an error that says it is gone. */
  forget(name: string): void;
  close(): void;
}

/** Opens SQS with hard deadlines: the SDK's own default is to wait for ever. */
export function openQueue(options: QueueOptions): Queue {
  const sender = createClient(options, 5_000);
  const receiver = createClient(options, 30_000);
  const urls = new Map<string, string>();

  async function find(name: string): Promise<string | undefined> {
    const known = urls.get(name);
    if (known !== undefined) return known;
    try {
      const { QueueUrl } = await sender.send(new GetQueueUrlCommand({ QueueName: name }));
      if (QueueUrl !== undefined) urls.set(name, QueueUrl);
      return QueueUrl;
    } catch (error) {
      if (isMissingQueue(error)) return undefined;
      throw error;
    }
  }

  return {
    receiver,
    find,
    async create(name) {
      await sender.send(
        new CreateQueueCommand({
          QueueName: name,
          Attributes: { MessageRetentionPeriod: '345600', ReceiveMessageWaitTimeSeconds: '20' },
        }),
      );
    },
    forget: name => urls.delete(name),
    async send(name, bodies) {
      const url = await find(name);
      if (url === undefined) throw new MissingQueueError(`there is no queue ${name}`);
      const { Successful = [], Failed = [] } = await sender.send(
        new SendMessageBatchCommand({
          QueueUrl: url,
          Entries: bodies.map((body, index) => ({ Id: String(index), MessageBody: body })),
        }),
      );
      const sent = new Set(Successful.map(entry => entry.Id));
      return bodies.map((_, index): SendResult => {
        if (sent.has(String(index))) return { ok: true };
        const failure = Failed.find(entry => entry.Id === String(index));
        return {
          ok: false,
          isFinal: failure?.SenderFault ?? false,
          reason: `${failure?.Code ?? 'Unknown'}: ${failure?.Message ?? 'SQS did not say why'}`,
        };
      });
    },
    async longestBody(name) {
      try {
        const { Attributes } = await sender.send(
          new GetQueueAttributesCommand({
            QueueUrl: await find(name),
            AttributeNames: ['MaximumMessageSize'],
          }),
        );
        return Number(Attributes?.MaximumMessageSize) || undefined;
      } catch {
        // It is a right of its own, and known to work without.
        return undefined;
      }
    },
    close() {
      sender.destroy();
      receiver.destroy();
    },
  };
}

function createClient(options: QueueOptions, requestTimeout: number): SQSClient {
  return new SQSClient({
    region: options.region,
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 2_000, requestTimeout, throwOnRequestTimeout: true },
    // Else the SDK follows the host inside a queue's URL, past an emulator to Amazon.
    ...(options.endpoint === undefined
      ? {}
      : { endpoint: options.endpoint, useQueueUrlAsEndpoint: false }),
  });
}

class MissingQueueError extends Error {
  override readonly name = 'QueueDoesNotExist';
}

/** Whether an error of SQS, or of sqs-consumer about one, says that the queue does not exist. */
export function isMissingQueue(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { name, code = '' } = error as Error & { code?: unknown };
  return [name, String(code)].some(
    word => word === 'QueueDoesNotExist' || word === 'AWS.SimpleQueueService.NonExistentQueue',
  );
}
