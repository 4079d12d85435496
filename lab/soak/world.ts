import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../../start/embedded/cluster.ts';
import { type Supervision, supervise } from '../../start/supervisor.ts';
import { testLogger } from '../../tests/support/database.ts';
import { type FaultProxy, openProxy } from '../../tests/support/proxy.ts';
import {
  openQueueServer,
  type QueueServer,
  queueCredentials,
} from '../../tests/support/queue_server.ts';
import { type FakeOanda, startFakeOanda } from '../../workers/ingest/sources/oanda/fake.ts';
import { root } from '../harness/processes.ts';
import type { Roster } from '../harness/roster.ts';
import { createDatabase, type Engine, type Server } from '../harness/server.ts';

/** Rows of a statement that goes straight to the server, past the proxy. */
export type Query = <Row>(text: string, values?: unknown[]) => Promise<Row[]>;

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
  /** One a page's process. */
  readonly webUrls: readonly string[];
  readonly logDir: string;
  readonly roster: Roster;
  /** The running processes by the names of the roster. */
  pids(): ReadonlyMap<string, number>;
  /** A process that said that no restart can help. */
  readonly refused: string[];
  close(): Promise<void>;
}

const access = { token: 'soak-token', accountId: '101-004-1234567-001' };

export async function openWorld(
  engine: Engine,
  server: Server,
  logDir: string,
  roster: Roster,
): Promise<World> {
  const closers: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const step of closers.reverse()) {
      await Promise.resolve(step()).catch((error: unknown) => note(`could not close: ${error}`));
    }
  };
  const note = (line: string) => appendFileSync(join(logDir, 'soak.log'), `${line}\n`);
  try {
    const { url: directUrl, drop } = await createDatabase(server);
    closers.push(drop);
    const { query, end } = openDirect(directUrl);
    closers.push(end);
    const postgresProxy = await openProxy(directUrl);
    closers.push(() => postgresProxy.close());
    const url = new URL(directUrl);
    url.port = String(postgresProxy.port);

    const queues = await openQueueServer(testLogger);
    closers.push(() => queues.close());
    const sqsProxy = await openProxy(queues.gate.endpoint);
    closers.push(() => sqsProxy.close());
    const oanda = await startFakeOanda({ ...access, heartbeatMs: 2_000 });
    closers.push(() => oanda.close());

    const refused: string[] = [];
    const webPorts = new Map<string, number>();
    for (const { name, script } of roster.programs) {
      if (script === 'web/main.ts') webPorts.set(name, await freePort());
    }
    const supervision = superviseAll({
      url: url.href,
      sqsPort: sqsProxy.port,
      oandaUrl: oanda.url,
      webPorts,
      logDir,
      note,
      roster,
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
      webUrls: [...webPorts.values()].map(port => `http://127.0.0.1:${port}`),
      logDir,
      roster,
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
  webPorts: ReadonlyMap<string, number>;
  logDir: string;
  note: (line: string) => void;
  roster: Roster;
}): Supervision {
  const env = {
    DATABASE_URL: parts.url,
    AWS_ENDPOINT_URL_SQS: `http://127.0.0.1:${parts.sqsPort}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: queueCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: queueCredentials.secretAccessKey,
    OANDA_API_TOKEN: access.token,
    OANDA_ACCOUNT_ID: access.accountId,
    OANDA_API_URL: parts.oandaUrl,
    OANDA_STREAM_URL: parts.oandaUrl,
    HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
  };
  return supervise(
    parts.roster.programs.map(({ name, script, args }) => {
      const port = parts.webPorts.get(name);
      return {
        name,
        script: join(root, script),
        args,
        env: port === undefined ? env : { ...env, PORT: String(port) },
      };
    }),
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
