import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { runMigrations } from 'graphile-worker';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { command } from './runtime/arguments.ts';
import { ConfigError, loadConfig, type Passwords, requireOwnerUrl } from './runtime/config.ts';
import { connectionFault, isMissingRight, knownMigrations } from './runtime/database.ts';
import { createLogger, type Logger, oneLine } from './runtime/logger.ts';

const folder = fileURLToPath(new URL('./migrations', import.meta.url));

/** Any constant number that nothing else in the database locks. */
const deployLock = 7_305_126_402;

/**
 * Whoever comes after a deploy that waits for a lock waits as well, also for what the deploy has changed already. So
 * it gives way soon, all of it, and comes back: this is shorter than it takes others to notice a deadlock.
 */
const lockTimeout = '500ms';
const attempts = 20;
const restMs = 2_000;

interface Deploy {
  readonly url: string;
  readonly logger: Logger;
  readonly passwords?: Passwords;
}

/**
 * The one deploy command: the roles, graphile-worker's own schema, the versioned migrations, then all functions
 * and views as their files say now, in one transaction. Safe to run twice, to interrupt, and from
 * two places at once: the second waits for the first.
 *
 * @param options.passwords Of the roles that are to log in as themselves.
 * @throws {ConfigError} when there is no such database, it is of another version or not restored whole, or its user lacks a right.
 * @throws when others hold what is to be changed in all attempts, and the database's error; nothing of the failed
 * deploy is left behind.
 */
export async function migrate(options: Deploy): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await deploy(options);
    } catch (error) {
      if (!isHeldUp(error)) throw error;
      const { message: reason } = error;
      if (attempt === attempts) {
        throw new Error(
          `others hold what is to be changed, such as a transaction that is open (pg_stat_activity): ${reason}`,
          { cause: error },
        );
      }
      options.logger.warn({ reason, attempt }, 'others hold what is to be changed; once more');
    }
    await sleep(restMs);
  }
}

/**
 * What is left to do in a new copy of a database that was migrated from these very files.
 * @throws the database's error.
 */
export async function finishCopy({ url, logger, passwords }: Deploy): Promise<void> {
  const client = await connect(url, logger);
  try {
    await client.query('update ops.installation set installed_at = now()');
    await setPasswords(client, passwords);
    logger.info('database copied');
  } finally {
    await client.end();
  }
}

async function deploy(options: Deploy): Promise<void> {
  const client = await connect(options.url, options.logger);
  try {
    await client.query('select pg_advisory_lock($1)', [deployLock]);
    await refuseUnknown(client);
    await client.query(readFileSync(new URL('./opening.sql', import.meta.url), 'utf8'));
    await runMigrations({ connectionString: options.url });
    await client.query(`set lock_timeout = '${lockTimeout}'`);
    await forgetFunctions(client);
    const applied = await runner({
      dbClient: client,
      dir: folder,
      direction: 'up',
      migrationsTable: 'migrations',
      migrationsSchema: 'migration',
      createMigrationsSchema: true,
      checkOrder: true,
      advisoryLockMode: 'wait',
      migrationLoaderStrategies: [
        { extensions: ['.sql'], loader: 'legacySql' },
        { extensions: ['.ts'], loader: loadScripts },
      ],
      log: () => undefined,
    });
    await setPasswords(client, options.passwords);
    const { rows } = await client.query('select feed.untested_version() as sentence');
    if (rows[0]?.sentence) options.logger.warn(rows[0].sentence);
    options.logger.info({ applied: applied.map(migration => migration.name) }, 'database migrated');
  } catch (error) {
    throw explained(error, options.url);
  } finally {
    await client.end();
  }
}

async function connect(url: string, logger: Logger): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'foresight migrate',
    connectionTimeoutMillis: 5_000,
    options: '-c TimeZone=UTC -c client_min_messages=warning',
  });
  client.on('error', error => logger.warn({ reason: error.message }, 'connection lost'));
  await client.connect().catch((error: unknown) => {
    throw new ConfigError(connectionFault(error, url).message);
  });
  return client;
}

/** Node reads them itself: node-pg-migrate's own way takes a third of a second to load a compiler first. */
function loadScripts(paths: string[]) {
  return Promise.all(
    paths.map(async path => ({
      id: path,
      filePaths: [path],
      actions: await import(pathToFileURL(path).href),
    })),
  );
}

/** A role that has a password logs in as itself, so that no other user's rights are within its reach. */
async function setPasswords(client: pg.Client, passwords: Partial<Passwords> = {}): Promise<void> {
  for (const [process, password] of Object.entries(passwords)) {
    if (password === undefined) continue;
    const role = client.escapeIdentifier(`foresight_${process}`);
    await client.query(`alter role ${role} login password ${client.escapeLiteral(password)}`);
  }
}

/** Somebody has a lock, or waits for one of ours with one that we need. */
function isHeldUp(error: unknown): error is pg.DatabaseError {
  return ['55P03', '40P01'].includes((error as pg.DatabaseError).code ?? '');
}

/** As one line with what to do, when a person has to do something about it. */
function explained(error: unknown, url: string): unknown {
  const { code, message, hint } = error as pg.DatabaseError;
  if (isMissingRight(error)) {
    const help = hint ?? 'db/README.md says which rights an owner needs';
    return new ConfigError(`${connectionFault(error, url).message}: ${help}`);
  }
  return code === 'RSTOR' ? new ConfigError(`DATABASE_URL: ${message}. ${hint}`) : error;
}

/** @throws {ConfigError} when the database has a migration of which there is no file. */
async function refuseUnknown(client: pg.Client): Promise<void> {
  if (!(await isMigrated(client))) return;
  const { rows } = await client.query(
    'select name from migration.migrations where name <> all ($1) order by name limit 1',
    [knownMigrations()],
  );
  if (rows[0] === undefined) return;
  throw new ConfigError(
    `DATABASE_URL: that database has the migration ${rows[0].name}, which this version does not know: it is of a newer one, or was made before the first release and must be made anew`,
  );
}

/** Makes the last migration pending again; it re-applies every function and view. */
async function forgetFunctions(client: pg.Client): Promise<void> {
  if (await isMigrated(client)) {
    await client.query("delete from migration.migrations where name = '9999_functions'");
  }
}

async function isMigrated(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query("select to_regclass('migration.migrations') as found");
  return rows[0]?.found !== null;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  command(
    'db:migrate',
    'Brings the database at DATABASE_URL up to date; safe to run again.',
  ).parse();
  try {
    const config = loadConfig();
    const logger = createLogger('migrate', config.logLevel);
    await migrate({ url: requireOwnerUrl(config), logger, passwords: config.passwords });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`foresight: ${oneLine(message)}\n`);
    process.exitCode = error instanceof ConfigError ? 78 : 1;
  }
}
