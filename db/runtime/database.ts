import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import postgres from 'postgres';
import { ConfigError } from './config.ts';
import { SilenceError } from './errors.ts';
import { hideCredentials, type Logger } from './logger.ts';

export type Sql = postgres.Sql;

export interface DatabaseOptions {
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly process: string;
  /** The role whose rights the process has; absent: those of the URL's user. */
  readonly role?: string;
  readonly logger: Logger;
  readonly maxConnections?: number;
  /** Longest run of one statement in milliseconds; 0 for no limit. */
  readonly statementTimeout?: number;
  /** False: no commit waits for the disk, as {@link unflushed} says. */
  readonly flushes?: boolean;
}

/** What the server cancels is known by then; later, it is silent. */
const graceMs = 2_000;

/** Times stay text: a JavaScript Date would cut PostgreSQL's microseconds to milliseconds. */
const asText = { serialize: String, parse: String };

/**
 * Opens the pool that a process sends its single statements through. Transactions and COPY do not
 * go here (they can leak into each other in postgres.js): they use {@link openPgPool}.
 */
export function openDatabase(options: DatabaseOptions): Sql {
  return postgres(options.url, {
    max: options.maxConnections ?? 4,
    connect_timeout: 5,
    idle_timeout: 0,
    backoff: attempt => Math.min(2, 0.1 * 2 ** attempt),
    connection: sessionSettings(options),
    types: {
      date: { to: 1082, from: [1082], ...asText },
      timestamp: { to: 1114, from: [1114], ...asText },
      timestamptz: { to: 1184, from: [1184], ...asText },
    },
    onnotice: notice => options.logger.debug({ notice: notice.message }, 'database notice'),
  }) as unknown as Sql;
}

/** Opens a node-postgres pool with the same session settings: for graphile-worker, COPY and transactions. */
export function openPgPool(options: DatabaseOptions): pg.Pool {
  const { application_name, ...settings } = sessionSettings(options);
  const limit = settings.statement_timeout;
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name,
    max: options.maxConnections ?? 4,
    connectionTimeoutMillis: 5_000,
    ...(limit === 0 ? {} : { query_timeout: limit + graceMs }),
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  });
  const onError = (error: Error) =>
    options.logger.warn({ reason: hideCredentials(error.message) }, 'database connection lost');
  pool.on('error', onError);
  pool.on('connect', client => {
    client.on('error', onError);
    nameSilence(client, limit + graceMs);
  });
  return pool;
}

/** What waits for an answer in vain is told so in words: node-postgres calls it a "Query read timeout". */
function nameSilence(client: pg.PoolClient, milliseconds: number): void {
  const ask = client.query.bind(client) as (...question: unknown[]) => unknown;
  const rename = (error: Error): never => {
    if (error.message !== 'Query read timeout') throw error;
    const sentence = `the database has had no answer for ${milliseconds} ms`;
    throw new SilenceError(sentence, { cause: error });
  };
  const query = (...question: unknown[]): unknown => {
    const answer = ask(...question);
    return answer instanceof Promise ? answer.catch(rename) : answer;
  };
  Object.assign(client, { query });
}

/**
 * The answer, if it comes within so many milliseconds: a statement timeout is kept by the server, and one that
 * hangs, or is gone without a word, keeps none.
 * @throws {SilenceError}
 */
export async function within<T>(milliseconds: number, answer: PromiseLike<T>): Promise<T> {
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new SilenceError(`no answer for ${milliseconds} ms`)),
    milliseconds,
  );
  try {
    return await Promise.race([answer, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * In a SELECT, alone in its transaction: its commit does not wait for the disk. For what a crash of the server may undo,
 * since it is only asked for again then: wake-ups, leases, and the striking off of what is on the disk. What was
 * committed before it is never lost without it.
 */
export const unflushed = (sql: Sql) => sql`set_config('synchronous_commit', 'off', true)`;

/** Why a database cannot be used: one line that names DATABASE_URL and the host, never the password. */
export function connectionFault(
  error: unknown,
  url: string,
): { message: string; canWait: boolean } {
  const { host, pathname, username } = new URL(url);
  const { code = '', message } = error as Error & { code?: string };
  const lasting = (reason: string) => ({ message: `DATABASE_URL: ${reason}`, canWait: false });
  if (code.startsWith('28')) return lasting(`${host} refuses the user or the password (${code})`);
  if (code === '3D000') return lasting(`${host} has no database ${pathname.slice(1)}`);
  if (isMissingRight(error)) {
    return lasting(
      `user ${username || '(default)'} lacks a right on ${host}: ${message} (${code})`,
    );
  }
  // A role that a process takes on is made by the first migration.
  if (code === '22023') return lasting(`${host} is not Foresight's yet: run npm run db:migrate`);
  const reason = code || hideCredentials(message);
  return { message: `DATABASE_URL: no PostgreSQL answers on ${host} (${reason})`, canWait: true };
}

/** PostgreSQL has refused a statement to its user. */
export function isMissingRight(error: unknown): boolean {
  return (error as { code?: string }).code === '42501';
}

/** The names of all migrations that this version has. */
export function knownMigrations(): string[] {
  const files = readdirSync(new URL('../migrations', import.meta.url));
  return files.map(file => file.replace(/\.\w+$/, ''));
}

/**
 * Waits until the database answers and has our schema, of no later version than ours.
 * @throws {ConfigError} one line that names DATABASE_URL, when waiting cannot help.
 */
export async function waitForDatabase(
  sql: Sql,
  { url, logger, signal }: { url: string; logger: Logger; signal: AbortSignal },
): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const [row] = await within(
        7_000,
        sql<{ is_migrated: boolean }[]>`
          select to_regclass('ops.installation') is not null as is_migrated`,
      );
      if (!row?.is_migrated) {
        throw new ConfigError(
          "DATABASE_URL: that database is not Foresight's yet: run npm run db:migrate",
        );
      }
      const [newer] = await within(
        7_000,
        sql<{ name: string | null }[]>`select ops.newer_migration(${knownMigrations()}) as name`,
      );
      if (newer?.name == null) return;
      throw new ConfigError(
        `DATABASE_URL: that database has the migration ${newer.name}, which this version does not know: start the newer version`,
      );
    } catch (error) {
      // A pool that was silent once may be so for ever; that of a new process is not.
      if (error instanceof ConfigError || error instanceof SilenceError) throw error;
      const fault = connectionFault(error, url);
      if (!fault.canWait) throw new ConfigError(fault.message);
      if (attempt % 30 === 0) logger.warn(`waiting for the database: ${fault.message}`);
      await delay(1_000, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** @throws {ConfigError} when the user of DATABASE_OWNER_URL is refused, or does not own our tables. */
export async function checkOwner(sql: Sql, url: string): Promise<void> {
  const answer = await within(
    7_000,
    sql<{ is_owner: boolean }[]>`
      select pg_has_role(c.relowner, 'usage') as is_owner from pg_class as c
      where c.oid = to_regclass('ops.installation')`,
  ).catch((error: unknown) => {
    const fault = connectionFault(error, url);
    throw fault.canWait ? error : new ConfigError(fault.message.replace('URL', 'OWNER_URL'));
  });
  if (answer[0]?.is_owner) return;
  throw new ConfigError(
    'DATABASE_OWNER_URL (or DATABASE_URL, where it is not set) must log in as the owner: whoever runs db:migrate',
  );
}

function sessionSettings(options: DatabaseOptions) {
  return {
    application_name: `foresight ${options.process}`,
    TimeZone: 'UTC',
    // Compiling a statement takes longer than running one of ours.
    jit: 'off',
    statement_timeout: options.statementTimeout ?? 30_000,
    idle_in_transaction_session_timeout: 10_000,
    ...(options.role === undefined ? {} : { role: options.role }),
    ...(options.flushes === false ? { synchronous_commit: 'off' } : {}),
  };
}
