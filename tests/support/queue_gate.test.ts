import { expect, it } from 'vitest';
import { openQueueGate } from './queue_gate.ts';

it('A broken queue keeps a message from when it is sent, and not what is asked of it', async () => {
  const gate = await openQueueGate('http://127.0.0.1:9');
  const ask = async (operation: string, rest: object = {}) => {
    const answer = await fetch(gate.endpoint, {
      method: 'POST',
      headers: { 'x-amz-target': `AmazonSQS.${operation}` },
      body: JSON.stringify({ QueueUrl: `${gate.endpoint}/0/broken`, ...rest }),
    });
    return answer.status;
  };
  try {
    gate.set('broken', 'refuse');
    expect(await ask('ReceiveMessage')).toBe(403);
    expect(await ask('DeleteMessageBatch', { Entries: [{ Id: '1', ReceiptHandle: 'x' }] })).toBe(
      403,
    );
    expect(gate.keptSince('broken')).toBeUndefined();
    const before = Date.now();
    expect(await ask('SendMessageBatch', { Entries: [{ Id: '1', MessageBody: '{}' }] })).toBe(403);
    const since = gate.keptSince('broken') ?? 0;
    expect(since).toBeGreaterThanOrEqual(before);
    await ask('SendMessageBatch', { Entries: [{ Id: '2', MessageBody: '{}' }] });
    expect(gate.keptSince('broken')).toBe(since);
    gate.set('broken', 'hang');
    expect(gate.keptSince('broken')).toBeUndefined();
  } finally {
    await gate.close();
  }
});
