import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQSClient } from '@aws-sdk/client-sqs';
import pg from 'pg';
import { migrate } from '../../db/migrate.ts';
import { freePort } from '../../start/embedded/cluster.ts';
import { startEmulator } from '../../start/emulator.ts';
import { type Supervision, supervise } from '../../start/supervisor.ts';
import { testLogger } from '../../tests/support/database.ts';
import { openQueueGate, type QueueGate } from '../../tests/support/queue_gate.ts';
import { databaseUrl, withAdmin } from '../../tests/support/template.ts';
import { type FakeOanda, startFakeOanda } from '../../workers/ingest/sources/oanda/fake.ts';
import { type FaultProxy, openProxy } from './proxy.ts';
import type { Engine, Server } from './server.ts';

export const processNames = ['ingest', 'publish', 'indicators', 'web'] as const;
export type ProcessName = (typeof processNames)[number];

/** Rows of a statement that goes straight to the server, past the proxy. */
export type Query = <Row>(text: string, values?: unknown[]) => Promise<Row[]>;

/** The emulator, which can lose what is in it. */
export interface QueueServer {
  readonly sqs: SQSClient;
  readonly gate: QueueGate;
  isRunning(): boolean;
  stop(): Promise<void>;
  start(options?: { losesState: boolean }): Promise<void>;
}

/** Everything of one run: a server, a queue, the real processes, and what stands between them. */
export interface World {
  readonly engine: Engine;
  readonly server: Server;
  /** Of the database, through the proxy and past it. */
  readonly url: string;
  readonly directUrl: string;
  readonly query: Query;
  readonly postgresProxy: FaultProxy;
  readonly sqsProxy: FaultProxy;
  readonly queues: QueueServer;
  readonly oanda: FakeOanda;
  readonly webUrl: string;
  readonly logDir: string;
  pid(name: ProcessName): number | undefined;
  pids(): ReadonlyMap<string, number>;
  /** A process that said that no restart can help. */
  readonly refused: string[];
  close(): Promise<void>;
}

const root = join(import.meta.dirname, '..', '..');
const access = { token: 'soak-token', accountId: '101-004-1234567-001' };

export async function openWorld(
  engine: Engine,
  server: Server,
  logDir: string,
  oandaSymbols: readonly string[],
): Promise<World> {
  const closers: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const step of closers.reverse()) {
      await Promise.resolve(step()).catch((error: unknown) => note(`could not close: ${error}`));
    }
  };
  const note = (line: string) => appendFileSync(join(logDir, 'soak.log'), `${line}\n`);
  try {
    const name = `foresight_soak_${process.pid}_${randomBytes(4).toString('hex')}`;
    const directUrl = databaseUrl(server.adminUrl, name);
    await withAdmin(server.adminUrl, admin =>
      admin.query(`create database ${name} template template0`),
    );
    closers.push(() =>
      withAdmin(server.adminUrl, admin =>
        admin.query(`drop database if exists ${name} with (force)`),
      ),
    );
    await migrate({ url: directUrl, logger: testLogger });

    const { query, end } = openDirect(directUrl);
    closers.push(end);
    const postgresProxy = await openProxy(Number(new URL(directUrl).port));
    closers.push(() => postgresProxy.close());
    const url = new URL(directUrl);
    url.port = String(postgresProxy.port);

    const queues = await openQueueServer();
    closers.push(() => queues.close());
    const sqsProxy = await openProxy(Number(new URL(queues.gate.endpoint).port));
    closers.push(() => sqsProxy.close());
    const oanda = await startFakeOanda({ ...access, heartbeatMs: 2_000 });
    closers.push(() => oanda.close());

    const webPort = await freePort();
    const refused: string[] = [];
    const supervision = superviseAll({
      url: url.href,
      sqsPort: sqsProxy.port,
      oandaUrl: oanda.url,
      webPort,
      logDir,
      note,
      oandaSymbols,
    });
    closers.push(() => supervision.stop());
    void supervision.ended.then(end => {
      if (end.kind === 'refused') refused.push(`${end.name}: ${end.reason}`);
    });
    return {
      engine,
      server,
      url: url.href,
      directUrl,
      query,
      postgresProxy,
      sqsProxy,
      queues,
      oanda,
      webUrl: `http://127.0.0.1:${webPort}`,
      logDir,
      pid: process => supervision.pids().get(process),
      pids: () => supervision.pids(),
      refused,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function superviseAll(parts: {
  url: string;
  sqsPort: number;
  oandaUrl: string;
  webPort: number;
  logDir: string;
  note: (line: string) => void;
  oandaSymbols: readonly string[];
}): Supervision {
  const env = {
    DATABASE_URL: parts.url,
    AWS_ENDPOINT_URL_SQS: `http://127.0.0.1:${parts.sqsPort}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    OANDA_API_TOKEN: access.token,
    OANDA_ACCOUNT_ID: access.accountId,
    OANDA_API_URL: parts.oandaUrl,
    OANDA_STREAM_URL: parts.oandaUrl,
    HOST: '127.0.0.1',
    PORT: String(parts.webPort),
    LOG_LEVEL: 'info',
  };
  const ingestArgs = ['--source', 'oanda', '--symbols', parts.oandaSymbols.join(',')];
  return supervise(
    processNames.map(name => ({
      name,
      script: name === 'web' ? join(root, 'web/main.ts') : join(root, 'workers', name, 'main.ts'),
      args: name === 'ingest' ? ingestArgs : [],
      env,
    })),
    {
      logger: testLogger,
      logDir: parts.logDir,
      show: (name, line) => parts.note(`${new Date().toISOString()} ${name}: ${line}`),
      backOff: { first: 200, longest: 2_000, resetAfter: 8_000 },
    },
  );
}

/** Every statement has an end: one that the server's death swallowed must not hold up the run. */
function openDirect(url: string): { query: Query; end: () => Promise<void> } {
  const pool = new pg.Pool({
    connectionString: url,
    max: 8,
    connectionTimeoutMillis: 5_000,
    query_timeout: 60_000,
    application_name: 'soak',
    options: '-c TimeZone=UTC -c jit=off -c client_min_messages=error',
  });
  pool.on('error', () => undefined);
  pool.on('connect', client => client.on('error', () => undefined));
  return {
    query: async (text, values = []) => (await pool.query(text, values)).rows,
    end: () => pool.end(),
  };
}

async function openQueueServer(): Promise<QueueServer & { close: () => Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'foresight-soak-queue-'));
  let emulator: Awaited<ReturnType<typeof startEmulator>> | undefined = await startEmulator({
    dataDir,
    logger: testLogger,
  });
  const { endpoint } = emulator;
  const gate = await openQueueGate(endpoint);
  const sqs = new SQSClient({
    region: 'us-east-1',
    endpoint,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  });
  const stop = async (): Promise<void> => {
    await emulator?.stop();
    emulator = undefined;
  };
  return {
    sqs,
    gate,
    isRunning: () => emulator !== undefined,
    stop,
    async start({ losesState } = { losesState: false }) {
      if (emulator !== undefined) return;
      if (losesState) await rm(join(dataDir, 'queue'), { recursive: true, force: true });
      const port = Number(new URL(endpoint).port);
      emulator = await startEmulator({ dataDir, port, logger: testLogger });
    },
    async close() {
      sqs.destroy();
      await gate.close();
      await stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
