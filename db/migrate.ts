import { fileURLToPath, pathToFileURL } from 'node:url';
import { runMigrations } from 'graphile-worker';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { command } from './runtime/arguments.ts';
import { ConfigError, loadConfig, requireDatabaseUrl } from './runtime/config.ts';
import { connectionFault } from './runtime/database.ts';
import { createLogger, type Logger } from './runtime/logger.ts';

/** Any constant number that nothing else in the database locks. */
const deployLock = 7_305_126_402;

/**
 * The one deploy command: graphile-worker's own schema, the versioned migrations, then all functions
 * and views as their files say now, in one transaction. Safe to run twice, to interrupt, and from
 * two places at once: the second waits for the first.
 *
 * @throws the database's error; nothing of the failed deploy is left behind.
 */
export async function migrate(options: { url: string; logger: Logger }): Promise<void> {
  const client = new pg.Client({
    connectionString: options.url,
    application_name: 'foresight migrate',
    connectionTimeoutMillis: 5_000,
    options: '-c TimeZone=UTC -c client_min_messages=warning',
  });
  client.on('error', error => options.logger.warn({ reason: error.message }, 'connection lost'));
  await client.connect().catch((error: unknown) => {
    throw new ConfigError(connectionFault(error, options.url).message);
  });
  try {
    await client.query('select pg_advisory_lock($1)', [deployLock]);
    await runMigrations({ connectionString: options.url });
    await forgetFunctions(client);
    const applied = await runner({
      dbClient: client,
      dir: fileURLToPath(new URL('./migrations', import.meta.url)),
      direction: 'up',
      migrationsTable: 'migrations',
      migrationsSchema: 'migration',
      createMigrationsSchema: true,
      checkOrder: true,
      advisoryLockMode: 'wait',
      log: () => undefined,
    });
    options.logger.info({ applied: applied.map(migration => migration.name) }, 'database migrated');
  } finally {
    await client.end();
  }
}

/** Makes the last migration pending again; it re-applies every function and view. */
async function forgetFunctions(client: pg.Client): Promise<void> {
  const { rows } = await client.query("select to_regclass('migration.migrations') as found");
  if (rows[0]?.found !== null) {
    await client.query("delete from migration.migrations where name = '9999_functions'");
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  command(
    'db:migrate',
    'Brings the database at DATABASE_URL up to date; safe to run again.',
  ).parse();
  try {
    const config = loadConfig();
    const logger = createLogger('migrate', config.logLevel);
    await migrate({ url: requireDatabaseUrl(config), logger });
  } catch (error) {
    console.error(`foresight: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = error instanceof ConfigError ? 78 : 1;
  }
}
