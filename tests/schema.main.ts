import { readFileSync, writeFileSync } from 'node:fs';
import { command } from '../db/runtime/arguments.ts';
import { openDatabase } from '../db/runtime/database.ts';
import { createLogger } from '../db/runtime/logger.ts';
import { describeSchema, type Engine, mergeSchemas, schemaOf } from '../db/schema.ts';
import { setUpPostgres } from './support/postgres.ts';
import { databaseUrl, type EngineSetup, type TestEngine, withAdmin } from './support/template.ts';
import { setUpTimescaledb } from './support/timescaledb.ts';

command(
  'db:schema',
  'Writes db/schema.sql from databases that it migrates on both engines.',
).parse();

const file = new URL('../db/schema.sql', import.meta.url);

/** Undefined: the engine is not on this machine. */
async function schemaOn(setUp: EngineSetup): Promise<string | undefined> {
  const engines: TestEngine[] = [];
  const putAway = await setUp(engine => engines.push(engine), 'db:schema');
  try {
    const { adminUrl, template = '' } = engines[0] ?? {};
    if (adminUrl === undefined) return undefined;
    await withAdmin(adminUrl, admin =>
      admin.query(`alter database ${template} allow_connections true`),
    );
    const sql = openDatabase({
      url: databaseUrl(adminUrl, template),
      process: 'schema',
      logger: createLogger('schema', 'warn'),
    });
    try {
      return await describeSchema(sql);
    } finally {
      await sql.end();
    }
  } finally {
    await putAway();
  }
}

/** What the file says of an engine that is not here. */
function asItWas(engine: Engine): string {
  console.error(`${engine} is not here: what is its own stays as it was in db/schema.sql`);
  return schemaOf(engine, readFileSync(file, 'utf8'));
}

const postgres = await schemaOn(setUpPostgres);
const timescaledb = await schemaOn(setUpTimescaledb);
const merged = mergeSchemas(postgres ?? asItWas('postgres'), timescaledb ?? asItWas('timescaledb'));
writeFileSync(file, merged);
console.log('db/schema.sql is written');
