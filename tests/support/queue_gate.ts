import { createServer, type ServerResponse } from 'node:http';
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
  close(): Promise<void>;
}

export async function openQueueGate(target: string): Promise<QueueGate> {
  const faults = new Map<string, GateFault>();
  const hanging = new Map<ServerResponse, string>();

  const server = createServer((request, response) => {
    void (async () => {
      const body = await buffer(request);
      const { QueueName, QueueUrl = '', Entries } = JSON.parse(body.toString() || '{}');
      const queueName: string = QueueName ?? String(QueueUrl).split('/').at(-1);
      const fault = faults.get(queueName);
      if (fault === 'hang') {
        hanging.set(response, queueName);
      } else if (fault === 'refuse') {
        response.writeHead(403, { 'content-type': 'application/x-amz-json-1.0' });
        response.end('{"__type":"com.amazonaws.sqs#AccessDenied","message":"Access is denied."}');
      } else if (fault === 'reject' && Array.isArray(Entries)) {
        const Failed = Entries.map(({ Id }) => ({
          Id,
          SenderFault: true,
          Code: 'InvalidMessageContents',
          Message: 'The message cannot be taken.',
        }));
        response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' });
        response.end(JSON.stringify({ Successful: [], Failed }));
      } else {
        const headers = Object.entries(request.headers)
          .filter(([name]) => name.startsWith('x-amz') || name === 'content-type')
          .map(([name, value]) => [name, String(value)] as [string, string]);
        const answer = await fetch(target, { method: 'POST', headers, body });
        response.writeHead(answer.status, {
          'content-type': answer.headers.get('content-type') ?? 'application/x-amz-json-1.0',
        });
        response.end(Buffer.from(await answer.arrayBuffer()));
      }
      // The emulator is down: so are we.
    })().catch(() => response.destroy());
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));

  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set(queueName, fault) {
      if (fault === undefined) faults.delete(queueName);
      else faults.set(queueName, fault);
      for (const [response, ofQueue] of hanging) {
        if (ofQueue !== queueName || fault === 'hang') continue;
        hanging.delete(response);
        response.destroy();
      }
    },
    faultOf: queueName => faults.get(queueName),
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
