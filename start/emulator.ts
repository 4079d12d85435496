import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { buildApp as BuildApp } from 'fauxqs';
import type { Logger } from '../db/runtime/logger.ts';

export interface EmulatorOptions {
  readonly dataDir: string;
  /** Absent: the port of last time where it is free, else another one. */
  readonly port?: number;
  readonly logger: Logger;
}

export interface Emulator {
  /** For example `http://127.0.0.1:40123`; the same at the next start where the port is free. */
  readonly endpoint: string;
  stop(): Promise<void>;
}

type App = ReturnType<typeof BuildApp>;
type Stores = NonNullable<NonNullable<Parameters<typeof BuildApp>[0]>['stores']>;

interface Queue {
  url: string;
  persistence: unknown;
}

interface QueueStore {
  persistence: unknown;
  host: string;
  allQueues(): Iterable<Queue>;
}

interface Persistence {
  readonly db: {
    exec(sql: string): void;
    prepare(sql: string): { run(...values: string[]): void };
  };
  updateMessageReady: (messageId: string) => void;
  loadSqsAndSns(queues: unknown, topics: unknown): void;
  close(): void;
}

/**
 * Starts an SQS emulator in this process, for machines without AWS. Queues and messages are kept in
 * `dataDir/queue` and survive a restart and a kill.
 *
 * The parts of fauxqs are put together here, since its own start listens on every network interface
 * and gives out queue URLs whose host names not every machine resolves.
 */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const { buildApp } = await import('fauxqs');
  const stores = await createStores();
  const persistence = await keep(stores, join(options.dataDir, 'queue'), options.logger);
  const app = buildApp({ logger: false, stores: stores.all });
  app.addHook('onClose', async () => persistence?.close());
  const endpoint = await listen(app, options);
  // A stored queue URL names the endpoint of its time.
  for (const queue of stores.queues.allQueues()) {
    queue.url = new URL(new URL(queue.url).pathname, endpoint).href;
  }
  return { endpoint, stop: () => app.close() };
}

/** The stores of queues, topics and objects that fauxqs's application works on. */
async function createStores() {
  const [{ SqsStore }, { SnsStore }, { S3Store }] = await Promise.all(
    ['sqs/sqsStore.js', 'sns/snsStore.js', 's3/s3Store.js'].map(importPart),
  );
  const queues: QueueStore = new SqsStore();
  // Without a host of its own a queue's URL names the address that its creator called.
  queues.host = '';
  const all = { sqsStore: queues, snsStore: new SnsStore(), s3Store: new S3Store() };
  return { queues, all: all as unknown as Stores };
}

/** Undefined when the queue cannot be kept: the database sends again what is lost with it. */
async function keep(
  stores: Awaited<ReturnType<typeof createStores>>,
  folder: string,
  logger: Logger,
): Promise<Persistence | undefined> {
  try {
    await mkdir(folder, { recursive: true });
    const { PersistenceManager } = await importPart('persistence.js');
    const persistence: Persistence = new PersistenceManager(folder);
    repair(persistence);
    persistence.loadSqsAndSns(stores.queues, stores.all.snsStore);
    stores.queues.persistence = persistence;
    for (const queue of stores.queues.allQueues()) queue.persistence = persistence;
    return persistence;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    logger.warn({ folder, reason }, 'the embedded queue is kept in memory only');
    return undefined;
  }
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

async function listen(app: App, options: EmulatorOptions): Promise<string> {
  if (options.port !== undefined) return app.listen({ host: '127.0.0.1', port: options.port });
  const file = join(options.dataDir, 'queue.port');
  const kept = Number(await readFile(file, 'utf8').catch(() => '0')) || 0;
  const endpoint = await app
    .listen({ host: '127.0.0.1', port: kept })
    .catch(() => app.listen({ host: '127.0.0.1', port: 0 }));
  await mkdir(options.dataDir, { recursive: true });
  await writeFile(`${file}.new`, new URL(endpoint).port);
  await rename(`${file}.new`, file);
  return endpoint;
}
