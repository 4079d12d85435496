import { once } from 'node:events';
import { access, chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Logger } from '../../db/runtime/logger.ts';
import { credentialsFile, keepCredentials } from './credentials.ts';
import { createDoor, type Handle } from './door.ts';
import type { Credentials } from './signature.ts';

export interface EmulatorOptions {
  readonly dataDir: string;
  /** Absent: the port of last time where it is free, else another one. */
  readonly port?: number;
  readonly logger: Logger;
}

export interface Emulator {
  /** For example `http://127.0.0.1:40123`; the same at the next start where the port is free. */
  readonly endpoint: string;
  /** What requests must be signed with; the same at the next start. */
  readonly credentials: Credentials;
  /** Where these stand for other clients, under the profile `foresight`. */
  readonly credentialsFile: string;
  stop(): Promise<void>;
}

/** What SQS does, of which fauxqs has a module each. */
const actions = [
  ...['CreateQueue', 'DeleteQueue', 'GetQueueUrl', 'ListQueues', 'PurgeQueue'],
  ...['GetQueueAttributes', 'SetQueueAttributes', 'TagQueue', 'UntagQueue', 'ListQueueTags'],
  ...['SendMessage', 'SendMessageBatch', 'ReceiveMessage', 'DeleteMessage', 'DeleteMessageBatch'],
  ...['ChangeMessageVisibility', 'ChangeMessageVisibilityBatch'],
];

interface Queue {
  url: string;
  persistence: unknown;
  changeVisibility(receiptHandle: string, seconds: number): void;
}

interface Received {
  readonly Messages?: readonly { readonly ReceiptHandle: string }[];
}

interface QueueStore {
  persistence: unknown;
  host: string;
  allQueues(): Iterable<Queue>;
  getQueue(url: string): Queue | undefined;
  /** Lets everybody go who waits for a message. */
  shutdown(): void;
  /** Forgets every queue, of this process only. */
  purgeAll(): void;
}

interface Router {
  register(action: string, handler: unknown): void;
  handle(request: unknown, reply: unknown): Promise<unknown>;
}

interface Persistence {
  readonly db: {
    exec(sql: string): void;
    prepare(sql: string): { run(...values: string[]): void };
  };
  updateMessageReady: (messageId: string) => void;
  loadSqsQueues(queues: unknown): void;
  close(): void;
}

/**
 * Starts an SQS emulator in this process, for machines without AWS. Queues and messages are kept in
 * `dataDir/queue` and survive a restart and a kill.
 *
 * The parts of fauxqs that are SQS are put together here. Its own application serves SNS, S3 and STS too,
 * to anybody, of which SNS takes the forms of any web page and writes into queues.
 */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const { dataDir, logger } = options;
  await mkdir(dataDir, { recursive: true });
  const [queues, credentials] = await Promise.all([createStore(), keepCredentials(dataDir)]);
  const persistence = await keep(queues, dataDir, logger);
  const server = createDoor({ credentials, handle: await createHandler(queues), logger });
  const endpoint = await listen(server, options).catch((error: unknown) => {
    persistence?.close();
    throw error;
  });
  // A stored queue URL names the endpoint of its time.
  for (const queue of queues.allQueues()) {
    queue.url = new URL(new URL(queue.url).pathname, endpoint).href;
  }
  let stopping: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    queues.shutdown();
    server.closeAllConnections();
    await closed;
    persistence?.close();
  };
  return {
    endpoint,
    credentials,
    credentialsFile: credentialsFile(dataDir),
    stop: () => {
      stopping ??= close();
      return stopping;
    },
  };
}

async function createStore(): Promise<QueueStore> {
  const { SqsStore } = await importPart('sqs/sqsStore.js');
  const queues: QueueStore = new SqsStore();
  // Without a host of its own a queue's URL names the address that its creator called.
  queues.host = '';
  return queues;
}

async function createHandler(queues: QueueStore): Promise<Handle> {
  const { SqsRouter } = await importPart('sqs/sqsRouter.js');
  const router: Router = new SqsRouter(queues);
  await Promise.all(
    actions.map(async action => {
      const name = action.charAt(0).toLowerCase() + action.slice(1);
      router.register(action, (await importPart(`sqs/actions/${name}.js`))[name]);
    }),
  );
  return async (body, headers, isGone) => {
    let status = 200;
    const added: Record<string, string> = {};
    const reply = {
      status: (code: number) => {
        status = code;
      },
      header: (name: string, value: string) => {
        added[name] = value;
      },
    };
    const answer = await router.handle({ body, headers }, reply);
    // A process that died while it waited for messages took them, and kept them from the others for a while.
    const { Messages = [] } = isGone() ? (answer as Received) : {};
    for (const { ReceiptHandle } of Messages) {
      queues.getQueue(String(body.QueueUrl))?.changeVisibility(ReceiptHandle, 0);
    }
    return { status, headers: added, body: answer };
  };
}

/**
 * Undefined when the queues cannot be kept: then there is none, and the database sends again what is lost with
 * them. It does so only for queues that are missing, so of what was kept before nothing may come back later: a
 * start that finds `queue.stale` begins without it.
 */
async function keep(
  queues: QueueStore,
  dataDir: string,
  logger: Logger,
): Promise<Persistence | undefined> {
  const folder = join(dataDir, 'queue');
  const stale = join(dataDir, 'queue.stale');
  let persistence: Persistence | undefined;
  try {
    if (await isThere(stale)) await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    const { PersistenceManager } = await importPart('persistence.js');
    const opened: Persistence = new PersistenceManager(folder);
    persistence = opened;
    repair(opened);
    opened.loadSqsQueues(queues);
    await rm(stale, { force: true });
    queues.persistence = opened;
    for (const queue of queues.allQueues()) queue.persistence = opened;
    return opened;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    logger.warn({ folder, reason }, 'the embedded queue is kept in memory only');
    persistence?.close();
    queues.purgeAll();
    await writeFile(stale, '');
    return undefined;
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function importPart(file: string) {
  return import(new URL(file, import.meta.resolve('fauxqs')).href);
}

/**
 * fauxqs 2.4.1 breaks its own NOT NULL when a message is handed back early (visibility 0), and loses it.
 * Commits that wait for the disk would cost a write per message; a power cut may lose the last ones,
 * which the outbox sends again.
 */
function repair(persistence: Persistence): void {
  persistence.db.exec('PRAGMA synchronous = NORMAL');
  const handBack = persistence.db.prepare(
    'UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?',
  );
  persistence.updateMessageReady = messageId => {
    handBack.run(messageId);
  };
}

async function listen(server: Server, options: EmulatorOptions): Promise<string> {
  if (options.port !== undefined) return listenOn(server, options.port);
  const file = join(options.dataDir, 'queue.port');
  const kept = Number(await readFile(file, 'utf8').catch(() => '0')) || 0;
  const endpoint = await listenOn(server, kept).catch(() => listenOn(server, 0));
  await writeFile(`${file}.new`, new URL(endpoint).port);
  await rename(`${file}.new`, file);
  return endpoint;
}

/** @throws the system's error, such as EADDRINUSE. */
async function listenOn(server: Server, port: number): Promise<string> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
