import { openDatabase, type Sql } from '../../db/runtime/database.ts';
import { stopProcesses } from '../harness/processes.ts';
import { createDatabase, type Engine, labLogger, type Server } from '../harness/server.ts';

/** A fresh migrated database of one measurement. */
export interface Database {
  readonly engine: Engine;
  readonly url: string;
  /** The owner's connections, without a limit on how long a statement runs. */
  readonly sql: Sql;
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
  const { url, drop } = await createDatabase(server);
  try {
    const sql = openDatabase({ url, process: 'bench', logger: labLogger, statementTimeout: 0 });
    try {
      return await Promise.race([use({ engine: server.engine, url, sql }), interrupted]);
    } catch (error) {
      // Before the database goes: they say goodbye to it.
      if (error instanceof Interrupted) await stopProcesses();
      throw error;
    } finally {
      await sql.end({ timeout: 2 });
    }
  } finally {
    await drop();
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
