import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, inject } from 'vitest';
import { openDatabase, type Sql } from '../../db/runtime/database.ts';
import { createLogger } from '../../db/runtime/logger.ts';
import { databaseUrl, type TestEngine, withAdmin } from './template.ts';

/** A database of one test file. */
export interface TestDatabase {
  readonly engine: 'postgres' | 'timescaledb';
  readonly url: string;
  /** The owner's connection. */
  readonly sql: Sql;
  /** Another connection, with the rights of one role. */
  as(role: string): Sql;
}

export const testLogger = createLogger('test', process.env.TEST_LOG_LEVEL ?? 'silent');

/**
 * Describes behaviour on the engine of this run, with a fresh migrated database for the whole block.
 * Skipped when the engine is not here.
 */
export function describeOnEngine(name: string, body: (database: TestDatabase) => void): void {
  const engine = inject('engine');
  if (engine.adminUrl === undefined) {
    describe.skip(`${name} (${engine.engine} is not here)`, () =>
      body(absentDatabase(engine.engine)));
    return;
  }
  describe(name, () => body(ownDatabase(engine)));
}

/** Describes what is the same on both engines, with a fresh database on each; skipped when one is not here. */
export function describeOnBothEngines(
  name: string,
  body: (postgres: TestDatabase, timescaledb: TestDatabase) => void,
): void {
  const engines = inject('engines');
  const absent = engines.find(each => each.adminUrl === undefined);
  const databaseOn = (engine: TestDatabase['engine']): TestDatabase => {
    const found = engines.find(each => each.engine === engine);
    return absent !== undefined || found === undefined
      ? absentDatabase(engine)
      : ownDatabase(found);
  };
  const whole = () => body(databaseOn('postgres'), databaseOn('timescaledb'));
  if (absent === undefined) describe(name, whole);
  else describe.skip(`${name} (${absent.engine} is not here)`, whole);
}

/** Made before and dropped after the tests of the block that asks for it. */
function ownDatabase({ engine, adminUrl = '', template }: TestEngine): TestDatabase {
  const databaseName = `foresight_test_${process.pid}_${randomBytes(4).toString('hex')}`;
  const url = databaseUrl(adminUrl, databaseName);
  const opened: Sql[] = [];
  const open = (role?: string): Sql => {
    const sql = openDatabase({
      url,
      process: 'test',
      logger: testLogger,
      statementTimeout: 0,
      ...(role === undefined ? {} : { role }),
    });
    opened.push(sql);
    return sql;
  };
  const sql = open();
  beforeAll(async () => {
    await withAdmin(adminUrl, admin => cloneTemplate(admin, databaseName, template));
  });
  afterAll(async () => {
    await Promise.all(opened.map(connection => connection.end({ timeout: 1 })));
    await withAdmin(adminUrl, admin =>
      admin.query(`drop database if exists ${databaseName} with (force)`),
    );
  });
  return { engine, url, sql, as: role => open(role) };
}

/** An empty database of the engine of this run, for as long as `use` takes. */
export async function withEmptyDatabase(use: (url: string) => Promise<void>): Promise<void> {
  const { adminUrl } = inject('engine');
  if (adminUrl === undefined) throw new Error('the engine is not here');
  const name = `foresight_test_${process.pid}_${randomBytes(4).toString('hex')}`;
  await withAdmin(adminUrl, admin => admin.query(`create database ${name} template template0`));
  try {
    await use(databaseUrl(adminUrl, name));
  } finally {
    await withAdmin(adminUrl, admin => admin.query(`drop database ${name} with (force)`));
  }
}

/** PostgreSQL copies a template only while nobody is in it; another copy counts as somebody. */
async function cloneTemplate(
  admin: { query: (text: string, values?: unknown[]) => Promise<unknown> },
  name: string,
  template: string,
): Promise<void> {
  await admin.query('select pg_advisory_lock(738201)');
  await admin.query(`create database ${name} template ${template}`);
  await admin.query('select pg_advisory_unlock(738201)');
}

function absentDatabase(engine: TestDatabase['engine']): TestDatabase {
  const absent = (): never => {
    throw new Error(`${engine} is not here`);
  };
  return { engine, url: '', sql: absent as unknown as Sql, as: absent };
}

/** Adds an instrument under a name that no other test of the file uses. */
export async function addInstrument(sql: Sql, source = 'manual'): Promise<string> {
  const symbol = `T${randomBytes(5).toString('hex').toUpperCase()}`;
  await sql`select feed.add_instrument(${symbol}, ${source})`;
  return symbol;
}

/** Brings late ticks into the candles and captures everything that changed, as publish passes do. */
export async function capture(sql: Sql): Promise<number> {
  let deltas = 0;
  for (;;) {
    await sql`call outbox.refresh_late()`;
    const [row] = await sql<{ change_count: number; delta_count: number }[]>`
      select * from outbox.capture_deltas()`;
    deltas += row?.delta_count ?? 0;
    if ((row?.change_count ?? 0) === 0) return deltas;
  }
}
