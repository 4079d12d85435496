import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { type Emulator, startEmulator } from './emulator.ts';

const silent = pino({ level: 'silent' });
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'foresight-queue '));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function start(dataDir: string): Promise<Emulator> {
  const emulator = await startEmulator({ dataDir, logger: silent });
  cleanups.push(() => emulator.stop());
  return emulator;
}

function connect({ endpoint, credentials }: Omit<Emulator, 'stop'>): SQSClient {
  const client = new SQSClient({ endpoint, region: 'eu-central-1', credentials });
  cleanups.push(() => client.destroy());
  return client;
}

async function createQueue(client: SQSClient, QueueName = 'prices'): Promise<string> {
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName }));
  return QueueUrl ?? '';
}

/** A publisher sends again what was lost only where it finds the queue missing. */
async function expectMissing(emulator: Emulator): Promise<void> {
  const asked = connect(emulator).send(new GetQueueUrlCommand({ QueueName: 'prices' }));
  await expect(asked).rejects.toThrow('does not exist');
}

async function receive(client: SQSClient, QueueUrl: string, VisibilityTimeout = 30) {
  const answer = await client.send(
    new ReceiveMessageCommand({
      QueueUrl,
      VisibilityTimeout,
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: 1,
    }),
  );
  return answer.Messages ?? [];
}

async function send(client: SQSClient, QueueUrl: string, ...bodies: string[]) {
  for (const MessageBody of bodies) {
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  }
}

const bodies = (messages: readonly { Body?: string | undefined }[]) =>
  messages.map(message => message.Body);

describe('the embedded queue', { timeout: 30_000 }, () => {
  test('keeps its endpoint, queues and messages over a restart', async () => {
    const folder = await temporaryFolder();
    const first = await start(folder);
    const client = connect(first);
    const url = await createQueue(client);
    await send(client, url, 'deleted', 'one', 'two');
    const [message] = await client
      .send(new ReceiveMessageCommand({ QueueUrl: url }))
      .then(answer => answer.Messages ?? []);
    const ReceiptHandle = message?.ReceiptHandle;
    await client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }));
    await first.stop();

    const second = await start(folder);
    expect(second.endpoint).toBe(first.endpoint);
    expect(bodies(await receive(connect(second), url))).toEqual(['one', 'two']);
  });

  test('loses nothing that it took when its process is killed', async () => {
    const folder = await temporaryFolder();
    const script = join(folder, 'queue.ts');
    await writeFile(
      script,
      `import { startEmulator } from ${JSON.stringify(join(import.meta.dirname, 'emulator.ts'))};
       const e = await startEmulator({ dataDir: ${JSON.stringify(folder)}, logger: { warn() {} } });
       process.stdout.write(JSON.stringify(e));`,
    );
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanups.push(() => child.kill('SIGKILL'));
    const [text] = await once(child.stdout, 'data');
    const first = JSON.parse(String(text)) as Emulator;
    const client = connect(first);
    const url = await createQueue(client);
    await send(client, url, 'one', 'two');
    child.kill('SIGKILL');
    await once(child, 'exit');

    const second = await start(folder);
    expect(second.endpoint).toBe(first.endpoint);
    expect(bodies(await receive(connect(second), url))).toEqual(['one', 'two']);
  });

  test('gives queue URLs that lead to itself, also after it had to move to another port', async () => {
    const folder = await temporaryFolder();
    const first = await start(folder);
    expect(await createQueue(connect(first))).toBe(`${first.endpoint}/000000000000/prices`);
    await first.stop();
    const squatter = createServer().listen(Number(new URL(first.endpoint).port), '127.0.0.1');
    cleanups.push(() => squatter.close());
    await once(squatter, 'listening');

    const second = await start(folder);
    expect(second.endpoint).not.toBe(first.endpoint);
    const { QueueUrl } = await connect(second).send(
      new GetQueueUrlCommand({ QueueName: 'prices' }),
    );
    expect(QueueUrl).toBe(`${second.endpoint}/000000000000/prices`);
  });

  test('hands a message out again that its receiver gave back or forgot', async () => {
    const folder = await temporaryFolder();
    const emulator = await start(folder);
    const client = connect(emulator);
    const QueueUrl = await createQueue(client);
    await send(client, QueueUrl, 'one');
    const [first] = await receive(client, QueueUrl);
    const ReceiptHandle = first?.ReceiptHandle;
    await client.send(
      new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }),
    );
    expect(bodies(await receive(client, QueueUrl, 1))).toEqual(['one']);
    await emulator.stop();
    await sleep(1_000);

    const second = await start(folder);
    expect(bodies(await receive(connect(second), QueueUrl))).toEqual(['one']);
  });

  test('hands out at once what came for a receiver that is gone', async () => {
    const emulator = await start(await temporaryFolder());
    const client = connect(emulator);
    const QueueUrl = await createQueue(client);
    const gone = new AbortController();
    const poll = client.send(
      new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20, VisibilityTimeout: 40 }),
      { abortSignal: gone.signal },
    );
    await sleep(100);
    gone.abort();
    await expect(poll).rejects.toThrow('aborted');
    await sleep(100);
    await send(client, QueueUrl, 'one');
    expect(bodies(await receive(client, QueueUrl))).toEqual(['one']);
  });

  test('stops at once although somebody waits for a message', async () => {
    const emulator = await start(await temporaryFolder());
    const client = connect(emulator);
    const QueueUrl = await createQueue(client);
    const poll = client
      .send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }))
      .catch(() => undefined);
    await sleep(100);
    const began = Date.now();
    await emulator.stop();
    expect(Date.now() - began).toBeLessThan(5_000);
    client.destroy();
    await poll;
  });

  const address = Object.values(networkInterfaces())
    .flat()
    .find(candidate => candidate?.family === 'IPv4' && !candidate.internal)?.address;

  test.runIf(address !== undefined)('is not there for other machines', async () => {
    const emulator = await start(await temporaryFolder());
    const outside = emulator.endpoint.replace('127.0.0.1', String(address));
    await expect(fetch(outside)).rejects.toThrow('fetch failed');
    expect((await fetch(emulator.endpoint)).status).toBe(403);
  });

  test('goes on in memory when its folder cannot be used, and says so', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'queue'), 'not a folder');
    const lines: string[] = [];
    const logger = pino({}, { write: line => void lines.push(line) });
    const emulator = await startEmulator({ dataDir: folder, logger });
    cleanups.push(() => emulator.stop());
    expect(lines.join()).toContain('the embedded queue is kept in memory only');
    const client = connect(emulator);
    const url = await createQueue(client);
    await send(client, url, 'one');
    expect(bodies(await receive(client, url))).toEqual(['one']);
  });

  test('does not take up what it held before it was in memory only', async () => {
    const folder = await temporaryFolder();
    const first = await start(folder);
    const client = connect(first);
    await send(client, await createQueue(client), 'before');
    await first.stop();
    const [kept, aside] = [join(folder, 'queue'), join(folder, 'aside')];
    await rename(kept, aside);
    await writeFile(kept, 'not a folder');
    const second = await start(folder);
    await expectMissing(second);
    const inMemory = connect(second);
    await send(inMemory, await createQueue(inMemory), 'meanwhile');
    await second.stop();
    await rm(kept);
    await rename(aside, kept);

    const third = await start(folder);
    await expectMissing(third);
    const again = connect(third);
    await send(again, await createQueue(again), 'after');
    await third.stop();
    const fourth = connect(await start(folder));
    expect(bodies(await receive(fourth, await createQueue(fourth)))).toEqual(['after']);
  });

  test('has no queue rather than some of them when it cannot read what it kept', async () => {
    const folder = await temporaryFolder();
    const first = await start(folder);
    const client = connect(first);
    for (const name of ['prices', 'torn']) await createQueue(client, name);
    await first.stop();
    const kept = new DatabaseSync(join(folder, 'queue', 'fauxqs.db'));
    kept.exec(`update sqs_queues set attributes = '{' where name = 'torn'`);
    kept.close();

    await expectMissing(await start(folder));
  });
});
