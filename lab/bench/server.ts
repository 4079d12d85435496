import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../db/migrate.ts';
import { openDatabase, type Sql } from '../../db/runtime/database.ts';
import { createLogger } from '../../db/runtime/logger.ts';
import { startEmbedded } from '../../start/embedded/embedded.ts';
import { databaseUrl, withAdmin } from '../../tests/support/template.ts';
import { findInstallation, startCluster } from '../../tests/support/timescaledb.ts';
import { stopChildren } from './child.ts';

export type Engine = 'timescaledb' | 'postgres';

/** A throw-away server, or the one of TEST_TIMESCALE_URL. */
export interface Server {
  readonly engine: Engine;
  /** URL of a superuser's maintenance database. */
  readonly adminUrl: string;
  stop(): Promise<void>;
}

/** A fresh migrated database of one measurement. */
export interface Database {
  readonly engine: Engine;
  readonly url: string;
  /** The owner's connections, without a limit on how long a statement runs. */
  readonly sql: Sql;
}

export const benchLogger = createLogger('bench', process.env.BENCH_LOG_LEVEL ?? 'error');

/** @returns undefined when the engine is not on this machine. */
export async function startServer(engine: Engine): Promise<Server | undefined> {
  return engine === 'postgres' ? startPostgres() : startTimescaledb();
}

async function startPostgres(): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), 'foresight-bench-'));
  // Root's server runs as another user, which must be able to enter.
  await chmod(dataDir, 0o755);
  const embedded = await startEmbedded({ dataDir, logger: benchLogger });
  return {
    engine: 'postgres',
    adminUrl: embedded.url,
    async stop() {
      await embedded.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function startTimescaledb(): Promise<Server | undefined> {
  const given = process.env.TEST_TIMESCALE_URL;
  if (given !== undefined && given !== '') {
    return { engine: 'timescaledb', adminUrl: given, stop: async () => undefined };
  }
  const bin = findInstallation();
  if (bin === undefined) return undefined;
  const cluster = await startCluster(bin);
  return { engine: 'timescaledb', adminUrl: cluster.url, stop: async () => cluster.stop() };
}

/** Told to stop: no part goes on. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/**
 * Ctrl-C ends the measurement, so that what was started is stopped and dropped on the way out. npm passes
 * on one that the terminal has sent us too, so a second changes nothing.
 */
const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => reject(new Interrupted(`interrupted by ${signal}`)));
  }
});
interrupted.catch(() => undefined);

/** Migrates a fresh database, and drops it after `use` whatever happens. */
export async function withDatabase<Result>(
  server: Server,
  use: (database: Database) => Promise<Result>,
): Promise<Result> {
  const name = `foresight_bench_${process.pid}_${randomBytes(4).toString('hex')}`;
  const url = databaseUrl(server.adminUrl, name);
  await withAdmin(server.adminUrl, admin =>
    admin.query(`create database ${name} template template0`),
  );
  try {
    await migrate({ url, logger: benchLogger });
    const sql = openDatabase({ url, process: 'bench', logger: benchLogger, statementTimeout: 0 });
    try {
      return await Promise.race([use({ engine: server.engine, url, sql }), interrupted]);
    } catch (error) {
      // Before the database goes: they say goodbye to it.
      if (error instanceof Interrupted) await stopChildren();
      throw error;
    } finally {
      await sql.end({ timeout: 2 });
    }
  } finally {
    await withAdmin(server.adminUrl, admin =>
      admin.query(`drop database if exists ${name} with (force)`),
    );
  }
}

/** What figures depend on: versions, and how durable a commit is. */
export async function describeServer({ sql }: Database): Promise<Record<string, string>> {
  const rows = await sql<{ name: string; setting: string }[]>`
    select s.name, current_setting(s.name) as setting from pg_settings as s
    where s.name in ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes',
      'shared_buffers', 'max_wal_size', 'wal_compression')
    union all
    select 'timescaledb', e.extversion from pg_extension as e where e.extname = 'timescaledb'`;
  return Object.fromEntries(rows.map(row => [row.name, row.setting]));
}
