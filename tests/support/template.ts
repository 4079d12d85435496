import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { migrate } from '../../db/migrate.ts';
import { createLogger } from '../../db/runtime/logger.ts';

/** What the setup of an engine tells its tests. */
export interface TestEngine {
  readonly engine: 'postgres' | 'timescaledb';
  /** URL of a superuser's maintenance database; absent: the engine is not here, its tests are skipped. */
  readonly adminUrl: string | undefined;
  /** A migrated database that every test file gets its own copy of. */
  readonly template: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    engine: TestEngine;
    engines: readonly TestEngine[];
  }
}

/** A server of our own. */
export interface Cluster {
  /** Of a superuser. */
  readonly url: string;
  stop(): unknown;
}

/** Makes an engine ready, says what its tests need to know, and returns how to put it away. */
export type EngineSetup = (
  provide: (engine: TestEngine) => void,
  project: string,
) => Promise<() => Promise<void>>;

/** Migrates a template database once for the whole project. */
export async function provideTemplate(
  provide: (engine: TestEngine) => void,
  project: string,
  engine: TestEngine['engine'],
  adminUrl: string,
): Promise<() => Promise<void>> {
  const template = `foresight_test_template_${process.pid}_${randomBytes(4).toString('hex')}`;
  await withAdmin(adminUrl, admin => admin.query(`create database ${template} template template0`));
  const url = databaseUrl(adminUrl, template);
  await migrate({ url, logger: createLogger('test', 'silent') });
  // As their processes do when they start.
  await withAdmin(url, admin =>
    admin.query(`select feed.register_source(source, source = 'simulated')
      from unnest(array['oanda', 'replay', 'simulated']) as s(source)`),
  );
  // No test has indicators that it did not ask for.
  await withAdmin(url, admin => admin.query('delete from indicator.wishes'));
  const version = await withAdmin(url, admin =>
    admin.query('select feed.engine_version() as name'),
  );
  console.info(`*** tests of the project "${project}" run on ${version.rows[0]?.name}`);
  await withAdmin(adminUrl, async admin => {
    // A background worker in the template would make copying it fail.
    await admin.query(`alter database ${template} allow_connections false`);
    await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [
      template,
    ]);
  });
  provide({ engine, adminUrl, template });
  return async () => {
    await withAdmin(adminUrl, admin =>
      admin.query(`drop database if exists ${template} with (force)`),
    );
  };
}

export function databaseUrl(adminUrl: string, database: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  return url.href;
}

export async function withAdmin<Result>(
  adminUrl: string,
  use: (admin: pg.Client) => Promise<Result>,
): Promise<Result> {
  const admin = new pg.Client({
    connectionString: adminUrl,
    options: '-c client_min_messages=warning',
  });
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.end();
  }
}
