import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  CreateQueueCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { profile } from './credentials.ts';
import { type Emulator, startEmulator } from './emulator.ts';
import type { Credentials } from './signature.ts';

const cleanups: (() => unknown)[] = [];
const lines: string[] = [];
let folder = '';
let emulator: Emulator;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresight-door-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  emulator = await start();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  lines.length = 0;
  vi.unstubAllEnvs();
});

async function start(): Promise<Emulator> {
  const logger = pino({}, { write: line => void lines.push(line) });
  const started = await startEmulator({ dataDir: folder, logger });
  cleanups.push(() => started.stop());
  return started;
}

/** A client as AWS makes it; `onRequest` may change what is signed already. */
function connect(
  credentials: Credentials = emulator.credentials,
  onRequest: (request: Sent) => void = () => undefined,
): SQSClient {
  const client = new SQSClient({
    endpoint: emulator.endpoint,
    region: 'eu-central-1',
    credentials: { ...credentials },
    maxAttempts: 1,
  });
  client.middlewareStack.add(
    next => args => {
      onRequest(args.request as Sent);
      return next(args);
    },
    // After the signature.
    { step: 'deserialize', priority: 'low' },
  );
  cleanups.push(() => client.destroy());
  return client;
}

interface Sent {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
}

/** A request as anybody can write it, without a client of AWS. */
function ask(sent: Partial<Sent> = {}): Promise<{ status: number; body: string }> {
  const { method = 'POST', path = '/', headers = {}, body = '' } = sent;
  return new Promise((resolve, reject) => {
    const length = { 'content-length': String(Buffer.byteLength(body)) };
    const all = { ...length, ...headers };
    const asked = request(emulator.endpoint, { method, path, headers: all }, answer => {
      text(answer).then(
        got => resolve({ status: answer.statusCode ?? 0, body: got }),
        (error: unknown) => reject(error),
      );
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

/** What a client of the owner sent, which is all right as it stands. */
async function record(client: SQSClient, command: SendMessageCommand): Promise<Sent> {
  let sent: Sent | undefined;
  client.middlewareStack.add(
    next => args => {
      const { method, path, headers, body } = args.request as Sent;
      sent = { method, path, headers: { ...headers }, body: Buffer.from(body).toString() };
      return next(args);
    },
    { step: 'deserialize', priority: 'low', name: 'record', override: true },
  );
  await client.send(command);
  if (sent === undefined) throw new Error('nothing was sent');
  return sent;
}

async function prepare() {
  const owner = connect();
  const { QueueUrl = '' } = await owner.send(new CreateQueueCommand({ QueueName: 'prices' }));
  await owner.send(new SendMessageCommand({ QueueUrl, MessageBody: 'genuine' }));
  /** All that is on the queue, without taking it off. */
  const bodies = async () => {
    const { Messages = [] } = await owner.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 0 }),
    );
    return Messages.map(message => message.Body);
  };
  return { owner, QueueUrl, bodies };
}

const json = { 'content-type': 'application/x-amz-json-1.0' };
const form = { 'content-type': 'application/x-www-form-urlencoded' };

describe('the door of the embedded queue', { timeout: 30_000 }, () => {
  test('lets in who signs with the credentials of the data folder, in any region', async () => {
    const { owner, QueueUrl, bodies } = await prepare();
    const Entries = ['one', 'two €'].map((MessageBody, i) => ({ Id: String(i), MessageBody }));
    const answer = await owner.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    expect(answer.Successful).toHaveLength(2);
    expect(await bodies()).toEqual(['genuine', 'one', 'two €']);
    const { QueueUrl: other } = await owner.send(new CreateQueueCommand({ QueueName: 'large' }));
    const MessageBody = 'x'.repeat(1_000_000);
    await owner.send(new SendMessageCommand({ QueueUrl: other, MessageBody }));
    const { Messages } = await owner.send(new ReceiveMessageCommand({ QueueUrl: other }));
    expect(Messages?.[0]?.Body).toBe(MessageBody);
    expect(lines).toEqual([]);
  });

  test('keeps out forms of web pages: topics, subscriptions, buckets and tokens are not served', async () => {
    const { QueueUrl, bodies } = await prepare();
    const arn = 'arn:aws:sns:us-east-1:000000000000:evil';
    const forms = [
      'Action=CreateTopic&Name=evil',
      `Action=Subscribe&TopicArn=${arn}&Protocol=sqs&Endpoint=arn:aws:sqs:eu-central-1:000000000000:prices`,
      `Action=Publish&TopicArn=${arn}&Message=forged`,
      'Action=GetCallerIdentity',
      `Action=SendMessage&QueueUrl=${encodeURIComponent(QueueUrl)}&MessageBody=forged`,
      `Action=PurgeQueue&QueueUrl=${encodeURIComponent(QueueUrl)}`,
    ];
    const page = { origin: 'http://evil.example' };
    for (const headers of [form, { ...form, ...page }]) {
      for (const body of forms) expect((await ask({ headers, body })).status, body).toBe(403);
    }
    for (const path of ['/bucket', '/bucket/key', '/health', '/_fauxqs/queues', '/?x=1']) {
      for (const method of ['GET', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'HEAD']) {
        expect((await ask({ method, path })).status, `${method} ${path}`).toBe(403);
      }
    }
    expect(await bodies()).toEqual(['genuine']);
  });

  test('keeps out a foreign host and any origin, however well the rest is signed', async () => {
    const { QueueUrl, bodies } = await prepare();
    const changes: Record<string, string>[] = [
      { host: 'evil.example' },
      { host: `evil.example:${new URL(emulator.endpoint).port}` },
      { host: '127.0.0.1.evil.example' },
      { host: 'localhost.evil.example' },
      { host: 'evil@127.0.0.1' },
      { host: '0.0.0.0' },
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: emulator.endpoint },
      { origin: '' },
    ];
    for (const change of changes) {
      const client = connect(undefined, sent => Object.assign(sent.headers, change));
      const purge = client.send(new PurgeQueueCommand({ QueueUrl }));
      await expect(purge, JSON.stringify(change)).rejects.toMatchObject({
        name: 'AccessDeniedException',
        $metadata: { httpStatusCode: 403 },
      });
    }
    expect(await bodies()).toEqual(['genuine']);
  });

  test('takes no signature of another key, another secret, another time or another service', async () => {
    const { QueueUrl, bodies } = await prepare();
    const { accessKeyId, secretAccessKey } = emulator.credentials;
    const strangers = [
      { accessKeyId: 'test', secretAccessKey: 'test' },
      { accessKeyId: 'embedded', secretAccessKey: 'embedded' },
      { accessKeyId, secretAccessKey: 'guessed' },
      { accessKeyId: `${accessKeyId}0`, secretAccessKey },
      { accessKeyId: accessKeyId.slice(1), secretAccessKey },
      { accessKeyId: accessKeyId.toLowerCase(), secretAccessKey },
    ];
    for (const stranger of strangers) {
      const purge = connect(stranger).send(new PurgeQueueCommand({ QueueUrl }));
      await expect(purge, JSON.stringify(stranger)).rejects.toMatchObject({
        name: 'AccessDeniedException',
      });
    }
    const send = new SendMessageCommand({ QueueUrl, MessageBody: 'genuine' });
    const sent = await record(connect(), send);
    const { authorization = '' } = sent.headers;
    const forged: Record<string, string>[] = [
      { authorization: '' },
      { authorization: authorization.replace('/sqs/', '/sns/') },
      { authorization: authorization.replace(/Signature=.*/, `Signature=${'0'.repeat(64)}`) },
      { authorization: authorization.replace(/Signature=.*/, 'Signature=') },
      { authorization: authorization.replace('host;', '') },
      { authorization: authorization.replace(/SignedHeaders=[^,]+/, 'SignedHeaders=host') },
      { authorization: authorization.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256') },
      { authorization: authorization.replace(/\/\d{8}\//, '/20200101/') },
      { 'x-amz-date': '20200101T000000Z' },
      { 'x-amz-date': '' },
      { 'x-amz-target': 'AmazonSQS.PurgeQueue' },
    ];
    for (const change of forged) {
      const headers = { ...sent.headers, ...change };
      const { status } = await ask({ ...sent, headers });
      expect(status, JSON.stringify(change)).toBe(403);
    }
    const body = sent.body.replace('genuine', 'forgery');
    expect((await ask({ ...sent, body })).status).toBe(403);
    expect(await bodies()).toEqual(['genuine', 'genuine']);
  });

  test('keeps everything that it was sent wrongly signed out, whatever it looks like', async () => {
    const { QueueUrl, bodies } = await prepare();
    const header = fc.string({
      unit: fc.integer({ min: 32, max: 126 }).map(c => String.fromCharCode(c)),
    });
    const hostile = fc.record({
      method: fc.constantFrom('GET', 'POST', 'PUT', 'OPTIONS', 'PATCH'),
      path: fc.webPath().map(path => `/${path.replace(/^\/+/, '')}`),
      headers: fc.record(
        {
          'content-type': fc.oneof(
            fc.constant(json['content-type']),
            fc.constant(form['content-type']),
            header,
          ),
          'x-amz-target': fc.oneof(
            fc.constantFrom('AmazonSQS.PurgeQueue', 'AmazonSQS.SendMessage'),
            header,
          ),
          authorization: header,
          origin: header,
          'x-amz-date': header,
        },
        { requiredKeys: [] },
      ),
      body: fc.oneof(
        fc.constant(JSON.stringify({ QueueUrl, MessageBody: 'forged' })),
        fc.constant(`Action=PurgeQueue&QueueUrl=${QueueUrl}`),
        fc.string(),
      ),
    });
    await fc.assert(
      fc.asyncProperty(hostile, async sent => {
        const { 'x-amz-date': date, ...rest } = sent.headers;
        const headers = Object.fromEntries(
          Object.entries({ ...rest, ...(date === undefined ? {} : { 'x-amz-date': date }) }).filter(
            ([, value]) => value !== undefined,
          ),
        ) as Record<string, string>;
        const { status } = await ask({ ...sent, headers });
        expect(status).toBe(403);
      }),
      { numRuns: 100 },
    );
    expect(await bodies()).toEqual(['genuine']);
  });

  test('answers who is signed but sends nonsense with a fault of its own', async () => {
    const { owner, bodies } = await prepare();
    const nonsense = connect(undefined, sent => {
      sent.headers['content-type'] = 'text/plain';
    });
    await expect(nonsense.send(new ListQueuesCommand({}))).rejects.toMatchObject({
      message: expect.stringContaining('only the AWS JSON 1.0 protocol'),
    });
    await expect(
      owner.send(new SendMessageCommand({ QueueUrl: 'nowhere', MessageBody: 'x' })),
    ).rejects.toMatchObject({ name: 'QueueDoesNotExist' });
    expect(await bodies()).toEqual(['genuine']);
  });

  test('says why in one line, and each reason once in the log', async () => {
    for (const origin of ['http://evil.example', 'http://evil.example/2\x1b[2J']) {
      const { body } = await ask({ headers: { ...json, origin: encodeURI(origin) } });
      expect(JSON.parse(body).message).toBe('a web page asks (Origin): no page may use this queue');
    }
    await ask({ headers: json });
    await ask({ headers: json });
    const told = lines.map(line => JSON.parse(line) as { msg: string; origin: string });
    expect(told.map(({ msg }) => msg)).toEqual([
      'the embedded queue refuses requests: a web page asks (Origin): no page may use this queue',
      'the embedded queue refuses requests: the request is not signed for SQS now (AWS Signature Version 4)',
    ]);
    expect(told[0]?.origin).toBe('http://evil.example');
  });

  test('reads nothing of a stranger, and not for ever of anybody', async () => {
    const { hostname, port } = new URL(emulator.endpoint);
    const socket = connectSocket(Number(port), hostname);
    cleanups.push(() => socket.destroy());
    socket.write(
      `POST / HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: text/plain\r\ncontent-length: 4000000000\r\n\r\nx`,
    );
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    const { owner, QueueUrl } = { owner: connect(), QueueUrl: 'http://127.0.0.1/0/prices' };
    const MessageBody = 'x'.repeat(8_000_000);
    await expect(owner.send(new SendMessageCommand({ QueueUrl, MessageBody }))).rejects.toThrow();
    expect((await ask()).status).toBe(403);
  });

  test('keeps its credentials over a restart, for its user alone', async () => {
    const { bodies } = await prepare();
    expect(emulator.credentials.accessKeyId).toMatch(/^FQ[0-9A-F]{32}$/);
    expect(emulator.credentials.secretAccessKey).toMatch(/^[0-9a-f]{64}$/);
    expect((await stat(emulator.credentialsFile)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, 'queue'))).mode & 0o777).toBe(0o700);
    await emulator.stop();
    const first = emulator.credentials;
    emulator = await start();
    expect(emulator.credentials).toEqual(first);
    expect(await bodies()).toEqual(['genuine']);
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', emulator.credentialsFile);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'of something else');
    const { endpoint } = emulator;
    const client = new SQSClient({ endpoint, region: 'eu-central-1', profile });
    cleanups.push(() => client.destroy());
    const { QueueUrls } = await client.send(new ListQueuesCommand({}));
    expect(QueueUrls).toHaveLength(1);
  });

  test('makes new credentials where one is missing, as an empty secret would let everybody in', async () => {
    await emulator.stop();
    const [first] = (await readFile(emulator.credentialsFile, 'utf8')).split('\naws_secret');
    await writeFile(emulator.credentialsFile, `${first}\naws_secret_access_key =\n`);
    const before = emulator.credentials;
    emulator = await start();
    expect(emulator.credentials.accessKeyId).not.toBe(before.accessKeyId);
    expect(emulator.credentials.secretAccessKey).toMatch(/^[0-9a-f]{64}$/);
  });
});
