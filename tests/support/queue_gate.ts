import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/**
 * What becomes of requests about a queue: no answer at all, the answer of a queue without rights, or of one
 * that takes no message as it is.
 */
export type GateFault = 'hang' | 'refuse' | 'reject';

/** An SQS endpoint in front of the emulator, where single queues can break. */
export interface QueueGate {
  readonly endpoint: string;
  /** From now on; undefined: it works again. */
  set(queueName: string, fault: GateFault | undefined): void;
  faultOf(queueName: string): GateFault | undefined;
  /** When its fault first kept a message from it, in milliseconds since 1970; undefined: nobody has sent one since. */
  keptSince(queueName: string): number | undefined;
  close(): Promise<void>;
}

/** A request as it came, such as `AmazonSQS.SendMessageBatch`. */
type OnRequest = (operation: string, body: Buffer) => void;

interface SqsRequest {
  readonly QueueName?: string;
  readonly QueueUrl?: string;
  readonly Entries?: readonly { readonly Id: string; readonly MessageBody?: string }[];
}

const json = { 'content-type': 'application/x-amz-json-1.0' };

/** @param onRequest Is told of every request that is passed on. */
export async function openQueueGate(
  target: string,
  onRequest: OnRequest = () => undefined,
): Promise<QueueGate> {
  const faults = new Map<string, GateFault>();
  const kept = new Map<string, number>();
  const hanging = new Map<ServerResponse, string>();
  const agent = new Agent({ keepAlive: true });

  /** Answers in the emulator's place; false: nothing is wrong with this queue. */
  function answerBroken(body: Buffer, response: ServerResponse): boolean {
    if (faults.size === 0) return false;
    const { QueueName, QueueUrl = '', Entries } = JSON.parse(body.toString() || '{}') as SqsRequest;
    const queueName = QueueName ?? QueueUrl.split('/').at(-1) ?? '';
    const isSent = Entries?.[0]?.MessageBody !== undefined;
    if (isSent && faults.has(queueName) && !kept.has(queueName)) kept.set(queueName, Date.now());
    switch (faults.get(queueName)) {
      case 'hang':
        hanging.set(response, queueName);
        return true;
      case 'refuse':
        response.writeHead(403, json);
        response.end('{"__type":"com.amazonaws.sqs#AccessDenied","message":"Access is denied."}');
        return true;
      case 'reject': {
        if (Entries === undefined) return false;
        const Failed = Entries.map(({ Id }) => ({
          Id,
          SenderFault: true,
          Code: 'InvalidMessageContents',
          Message: 'The message cannot be taken.',
        }));
        response.writeHead(200, json);
        response.end(JSON.stringify({ Successful: [], Failed }));
        return true;
      }
      default:
        return false;
    }
  }

  function passOn({ headers }: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const { connection: _, ...own } = headers;
    const forwarded = request(
      target,
      // The host among them, since it is signed.
      { agent, method: 'POST', headers: own },
      answer => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    // The emulator is down: so are we.
    forwarded.on('error', () => response.destroy());
    response.on('close', () => forwarded.destroy());
    forwarded.end(body);
    onRequest(String(headers['x-amz-target']), body);
  }

  const server = createServer((incoming, response) => {
    void (async () => {
      const body = await buffer(incoming);
      if (!answerBroken(body, response)) passOn(incoming, body, response);
    })().catch(() => response.destroy());
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));

  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set(queueName, fault) {
      kept.delete(queueName);
      if (fault === undefined) faults.delete(queueName);
      else faults.set(queueName, fault);
      for (const [response, ofQueue] of hanging) {
        if (ofQueue !== queueName || fault === 'hang') continue;
        hanging.delete(response);
        response.destroy();
      }
    },
    faultOf: queueName => faults.get(queueName),
    keptSince: queueName => kept.get(queueName),
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
        agent.destroy();
      }),
  };
}
