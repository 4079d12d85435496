import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Emulator, startEmulator } from '../start/emulator/emulator.ts';
import { openQueue } from '../workers/queue.ts';

/** Any date and key will do: neither an SQS for tests nor who is refused looks at them. */
const authorization =
  'AWS4-HMAC-SHA256 Credential=local/20260302/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0';

/** What an AWS client from before 2024 sends: the form of an action, posted to `/` or to the address of a queue. */
async function post(url: string, form: Record<string, string>) {
  const body = new URLSearchParams({ ...form, Version: '2012-11-05' });
  const answer = await fetch(url, { method: 'POST', headers: { authorization }, body });
  return { status: answer.status, xml: await answer.text() };
}

const textOf = (xml: string, element: string): string =>
  new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1] ?? '';

describe('A client of the Query protocol', () => {
  let folder: string;
  let emulator: Emulator;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foresight-query-'));
    emulator = await startEmulator({ dataDir: folder, logger: pino({ level: 'silent' }) });
  });
  afterAll(async () => {
    await emulator.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    ['/', { Action: 'CreateQueue', QueueName: 'prices' }],
    ['/', { Action: '<b>&', QueueName: '<script>' }],
    ['/000000000000/prices', { Action: 'SendMessage', MessageBody: 'x' }],
    ['/000000000000/prices?Action=ReceiveMessage', { Action: 'ReceiveMessage' }],
  ])('is told by the embedded queue, at %s, what it needs', async (path, form) => {
    const { status, xml } = await post(`${emulator.endpoint}${path}`, form);
    expect(status).toBe(403);
    expect(textOf(xml, 'Code')).toBe('AccessDenied');
    expect(textOf(xml, 'Message')).toMatch(
      /^only the AWS JSON 1\.0 protocol is spoken: an AWS client from before 2024[^\n]* docker-compose\.yml/,
    );
    expect(xml).toMatch(/^<\?xml version="1\.0"\?><ErrorResponse [^&]*<\/ErrorResponse>$/);
    expect(xml).not.toMatch(/<b>|<script>/);
  });

  const both = process.env.TEST_SQS_URL;

  it.skipIf(both === undefined)(
    'and one of ours share the queues of an SQS that speaks both, such as that of docker-compose.yml',
    async () => {
      const url = both ?? '';
      vi.stubEnv('AWS_ACCESS_KEY_ID', 'local');
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local');
      const name = `query-${randomUUID()}`;
      const created = await post(url, { Action: 'CreateQueue', QueueName: name });
      expect(created.status, created.xml).toBe(200);
      const queue = openQueue({ region: 'us-east-1', endpoint: url });
      try {
        // Named as Foresight reaches it, whatever the server calls itself.
        const address = new URL(new URL(textOf(created.xml, 'QueueUrl')).pathname, url).href;
        expect(await queue.find(name)).toBeDefined();
        expect(await queue.send(name, ['{"candles":[]}'])).toEqual([{ ok: true }]);
        const received = await post(address, { Action: 'ReceiveMessage', WaitTimeSeconds: '5' });
        expect(textOf(received.xml, 'Body').replaceAll('&quot;', '"')).toBe('{"candles":[]}');
        const handle = textOf(received.xml, 'ReceiptHandle');
        const deleted = await post(address, { Action: 'DeleteMessage', ReceiptHandle: handle });
        expect(deleted.status, deleted.xml).toBe(200);
        expect((await post(address, { Action: 'DeleteQueue' })).status).toBe(200);
      } finally {
        queue.close();
        vi.unstubAllEnvs();
      }
    },
  );
});
