import { join } from 'node:path';
import { GetQueueAttributesCommand, GetQueueUrlCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { Sql } from '../../db/runtime/database.ts';
import { type ChildEnd, startChild } from '../../start/child.ts';
import { isMissingQueue } from '../../workers/queue.ts';
import { testLogger } from './database.ts';
import type { QueueGate } from './queue_gate.ts';
import { openQueueServer, queueCredentials } from './queue_server.ts';
import { waitFor } from './wait.ts';

export type WorkerName = 'ingest' | 'upkeep' | 'publish' | 'indicators' | 'web';

export interface WorkerProcess {
  readonly pid: number;
  /** What it wrote so far. */
  log(): string;
  /** Resolves when it is ready; never when it ends before. */
  readonly ready: Promise<unknown>;
  readonly gone: Promise<ChildEnd>;
  isGone(): boolean;
  /** SIGKILL, and waits until it is gone. */
  kill9(): Promise<void>;
  /** SIGTERM, and waits until it is gone. */
  stop(): Promise<ChildEnd>;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  thaw(): void;
}

/** The real processes around one database, with a queue of their own. */
export interface System {
  readonly sqs: SQSClient;
  /** Stands between the processes and the queue. */
  readonly gate: QueueGate;
  /** Resolves when the process says that it is ready; `env` are variables of its own. */
  start(
    name: WorkerName,
    args?: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<WorkerProcess>;
  /** Kills the newest process of this name. */
  kill9(name: WorkerName): Promise<void>;
  stopQueue(): Promise<void>;
  /** On the same port, with what was in it. */
  startQueue(): Promise<void>;
  /** Until nothing is left to do anywhere; nobody may add ticks meanwhile. */
  settled(deadlineMs?: number): Promise<void>;
  logs(): string;
  /** Starts every process again that ends by itself with an error, as the supervisor does. */
  supervise(): void;
  stopAll(): Promise<void>;
}

const root = join(import.meta.dirname, '..', '..');

/** What every process is given; no other variable of the test's environment reaches it. */
export function workerEnvironment(databaseUrl: string, endpoint: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    DATABASE_URL: databaseUrl,
    AWS_ENDPOINT_URL_SQS: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: queueCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: queueCredentials.secretAccessKey,
    LOG_LEVEL: 'warn',
  };
}

/** Starts a process without waiting for anything. */
export function spawnWorker(
  name: WorkerName,
  env: NodeJS.ProcessEnv,
  args: readonly string[] = [],
): WorkerProcess {
  const script = join(root, name === 'web' ? 'web/main.ts' : `workers/${name}/main.ts`);
  let log = '';
  const child = startChild({ script, args, env }, line => {
    log += `${line}\n`;
  });
  const { ready, gone, isGone } = child;
  return {
    ready,
    gone,
    isGone,
    pid: child.pid ?? 0,
    log: () => log,
    async kill9() {
      child.kill('SIGKILL');
      await gone;
    },
    stop() {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      return gone;
    },
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
  };
}

export async function startSystem(database: {
  readonly url: string;
  readonly sql: Sql;
}): Promise<System> {
  // Ticks of tests are of a day long ago: their values would not be kept.
  await database.sql`delete from indicator.retention`;
  const queues = await openQueueServer(testLogger);
  const { sqs, gate } = queues;
  const workers: { name: WorkerName; worker: WorkerProcess }[] = [];
  const restarts: Promise<WorkerProcess>[] = [];
  let isSupervised = false;
  const logs = (): string =>
    workers.map(({ name, worker }) => `--- ${name} ${worker.pid}\n${worker.log()}`).join('\n');

  const system: System = {
    sqs,
    gate,
    logs,
    supervise() {
      isSupervised = true;
    },
    async start(name, args = [], env = {}) {
      const given = workerEnvironment(database.url, gate.endpoint);
      const worker = spawnWorker(name, { ...given, ...env }, args);
      workers.push({ name, worker });
      void worker.gone.then(({ code }) => {
        if (!isSupervised || code === 0 || code === null) return;
        restarts.push(system.start(name, args, env));
      });
      const ready = await Promise.race([
        worker.ready.then(() => true),
        worker.gone.then(() => false),
      ]);
      if (!ready) throw new Error(`${name} did not start:\n${worker.log()}`);
      return worker;
    },
    async kill9(name) {
      await workers.findLast(each => each.name === name)?.worker.kill9();
    },
    stopQueue: queues.stop,
    startQueue: () => queues.start(),
    async settled(deadlineMs = 40_000) {
      await waitFor('nothing is left to do', () => whatIsLeft(database.sql, sqs), {
        deadlineMs,
        until: left => left === 'nothing',
        explain: logs,
      });
    },
    async stopAll() {
      isSupervised = false;
      await Promise.allSettled(restarts);
      await Promise.all(
        workers.filter(({ worker }) => !worker.isGone()).map(({ worker }) => worker.stop()),
      );
      await queues.close();
    },
  };
  return system;
}

/** In the order of the data's way, so that nothing slips past between two looks. */
async function whatIsLeft(sql: Sql, sqs: SQSClient): Promise<string> {
  const [outbox] = await sql<{ changes: number; deliveries: number; overdue: number }[]>`
    select (select count(*)::int from outbox.changes) as changes,
      (select count(*)::int from outbox.deliveries) as deliveries,
      (select count(*)::int from outbox.candles as c
       where not c.is_closed and c.closes_at <= clock_timestamp()) as overdue`;
  const queues = await sql<{ queue: string }[]>`select queue from indicator.services`;
  const counts = await Promise.all(queues.map(({ queue }) => countMessages(sqs, queue)));
  const messages = counts.reduce((sum, count) => sum + count, 0);
  const [indicator] = await sql<{ pending: number; backfills: number }[]>`
    select (select count(*)::int from indicator.pending) as pending,
      (select count(*)::int from indicator.backfills) as backfills`;
  const left = Object.entries({ ...outbox, messages, ...indicator }).filter(([, n]) => n !== 0);
  return left.length === 0 ? 'nothing' : left.map(([what, n]) => `${n} ${what}`).join(', ');
}

/** Messages that wait or are in somebody's hand. */
export async function countMessages(sqs: SQSClient, queueName: string): Promise<number> {
  try {
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: queueName }));
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
    );
    return (
      Number(Attributes?.ApproximateNumberOfMessages) +
      Number(Attributes?.ApproximateNumberOfMessagesNotVisible)
    );
  } catch (error) {
    if (isMissingQueue(error)) return 0;
    throw error;
  }
}
