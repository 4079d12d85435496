import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { migrate } from '../db/migrate.ts';
import { ConfigError } from '../db/runtime/config.ts';
import { openDatabase, type Sql } from '../db/runtime/database.ts';
import { describeSchema } from '../db/schema.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { startOwnCluster } from './support/cluster.ts';
import { addInstrument, testLogger } from './support/database.ts';
import { type Cluster, databaseUrl, withAdmin } from './support/template.ts';
import { tickOf } from './support/ticks.ts';
import { findInstallation } from './support/timescaledb.ts';

const { engine } = inject('engine');
const roles = ['ingest', 'upkeep', 'publish', 'indicators', 'web'].map(name => `foresight_${name}`);
const bin = engine === 'timescaledb' ? findInstallation() : undefined;
const file = join(tmpdir(), `foresight-test-${process.pid}.dump`);

describe('A database that comes back from a dump', () => {
  let cluster: Cluster | undefined;
  const opened: Sql[] = [];

  beforeAll(async () => {
    cluster = await startOwnCluster();
    if (cluster === undefined) return;
    const url = await createDatabase('original');
    await migrate({ url, logger: testLogger });
    const sql = open(url);
    const symbol = await addInstrument(sql);
    const ticks = [...Array(28).keys()].map(day =>
      tickOf(symbol, `2026-01-${String(day + 1).padStart(2, '0')}T10:00:00Z`, { bid: day + 1 }),
    );
    await createFeed(sql).recordTicks('manual', ticks);
    await sql`call outbox.refresh_late()`;
  });
  afterAll(async () => {
    rmSync(file, { force: true });
    await Promise.all(opened.map(sql => sql.end({ timeout: 1 })));
    await cluster?.stop();
  });

  function open(url: string): Sql {
    const sql = openDatabase({ url, process: 'test', logger: testLogger });
    opened.push(sql);
    return sql;
  }

  const urlOf = (name: string): string => databaseUrl(cluster?.url ?? '', name);

  async function createDatabase(name: string): Promise<string> {
    await withAdmin(urlOf('postgres'), admin =>
      admin.query(`create database ${name} template template0`),
    );
    return urlOf(name);
  }

  /** Of every object, with all rights on it. */
  async function describeAll(url: string): Promise<unknown> {
    const sql = open(url);
    return {
      // In the order of their making.
      ours: (await describeSchema(sql)).trim().split('\n\n').sort(),
      workers: [
        ...(await sql`
          select c.relname, array(select a::text from unnest(c.relacl) as a order by 1) as acl from pg_class as c
          where c.relnamespace = 'graphile_worker'::regnamespace order by 1`),
        ...(await sql`select tablename, policyname, roles from pg_policies order by 1, 2`),
      ],
      ticks: [...(await sql`select observed_at, bid from feed.ticks order by 1`)],
    };
  }

  async function dropRoles(): Promise<void> {
    await withAdmin(urlOf('original'), async admin => {
      for (const role of roles) await admin.query(`drop owned by ${role}; drop role ${role}`);
    });
  }

  it('without the roles gets them from a deploy, with all their rights', async context => {
    if (cluster === undefined) return context.skip('no server of our own');
    const before = await describeAll(urlOf('original'));
    await dropRoles();
    expect(await describeAll(urlOf('original'))).not.toEqual(before);
    await migrate({ url: urlOf('original'), logger: testLogger });
    expect(await describeAll(urlOf('original'))).toEqual(before);
  });

  if (bin === undefined || !existsSync(join(bin, 'pg_restore'))) return;

  /** As far as it can: with roles missing, or unprepared, it ends with an error. */
  function restore(url: string): void {
    try {
      execFileSync(join(bin ?? '', 'pg_restore'), ['-d', url, file], { stdio: 'ignore' });
    } catch (error) {
      expect(error).toMatchObject({ status: 1 });
    }
  }

  it('of TimescaleDB is whole after two calls, also without the roles', async context => {
    if (cluster === undefined) return context.skip('no server of our own');
    const before = await describeAll(urlOf('original'));
    execFileSync(join(bin, 'pg_dump'), ['-Fc', '-f', file, urlOf('original')], { stdio: 'ignore' });
    await dropRoles();
    const url = await createDatabase('prepared');
    await withAdmin(url, async admin => {
      await admin.query('create extension timescaledb');
      await admin.query('select timescaledb_pre_restore()');
    });
    restore(url);
    const refused = migrate({ url, logger: testLogger });
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(/is being restored\. .*timescaledb_post_restore/);
    await withAdmin(url, admin => admin.query('select timescaledb_post_restore()'));
    await migrate({ url, logger: testLogger });
    expect(await describeAll(url)).toEqual(before);
  });

  it('of TimescaleDB is refused without them', async context => {
    if (cluster === undefined) return context.skip('no server of our own');
    execFileSync(join(bin, 'pg_dump'), ['-Fc', '-f', file, urlOf('original')], { stdio: 'ignore' });
    const url = await createDatabase('unprepared');
    restore(url);
    const refused = migrate({ url, logger: testLogger });
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(
      'DATABASE_URL: this database was not restored whole: feed.ticks has no primary key. Restore the dump anew, as db/README.md says.',
    );
  });
});
