import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../db/migrate.ts';
import { openDatabase, type Sql } from '../db/runtime/database.ts';
import { describeOnEngine, testLogger } from './support/database.ts';
import { spawnWorker, type WorkerName, workerEnvironment } from './support/system.ts';
import { expectWorks, processes } from './support/works.ts';

/** What no process may do, by what it would give; `{owner}`, `{own}` and `{other}` are roles, `{database}` this one. */
const forbidden: Readonly<Record<string, readonly string[]>> = {
  'more rights': [
    'set role {owner}',
    'set role {other}',
    'set role pg_read_all_data',
    'set session authorization {owner}',
    'grant {other} to {own}',
    'grant {owner} to {own}',
    'grant pg_execute_server_program to {own}',
    'alter role {own} superuser',
    'alter role {own} createrole',
    'alter role {own} bypassrls',
    "alter role {owner} password 'stolen'",
    "alter role {other} password 'stolen'",
    'create role mine',
    'drop role {other}',
    'reassign owned by {owner} to {own}',
    'drop owned by {owner}',
    'alter default privileges for role {owner} grant all on tables to {own}',
    'select from pg_authid',
    'select from pg_shadow',
    'select from pg_user_mapping',
  ],
  'files and programs of the server': [
    "copy (select 1) to program 'true'",
    "copy (select 1) to '/tmp/foresight-test-file'",
    "copy pg_temp.mine from program 'true'",
    "select pg_read_file('PG_VERSION')",
    "select pg_read_binary_file('PG_VERSION')",
    "select pg_ls_dir('.')",
    'select pg_ls_logdir()',
    'select pg_ls_waldir()',
    "select pg_stat_file('PG_VERSION')",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/foresight-test-file')",
    "load '/tmp/mine.so'",
    "create function pg_temp.mine() returns int language c as '/tmp/mine.so'",
    "create function pg_temp.mine() returns int language internal as 'int4pl'",
    'select from pg_hba_file_rules',
    'select from pg_file_settings',
  ],
  'the server': [
    'alter system set work_mem = 64',
    'alter system reset all',
    'select pg_reload_conf()',
    'select pg_rotate_logfile()',
    'select pg_switch_wal()',
    "select pg_create_restore_point('mine')",
    'select pg_promote()',
    'select pg_log_backend_memory_contexts(pg_backend_pid())',
    'select pg_stat_reset()',
    'select pg_terminate_backend({backend})',
    'select pg_cancel_backend({backend})',
    "select pg_create_physical_replication_slot('mine')",
    'set session_replication_role = replica',
    "set log_statement = 'none'",
    'checkpoint',
    'create database mine',
    'drop database postgres',
    "create tablespace mine location '/tmp'",
  ],
  'the database': [
    "alter database {database} set search_path = 'public'",
    'alter database {database} owner to {own}',
    "comment on database {database} is 'mine'",
    'create schema mine',
    'drop schema feed cascade',
    'alter schema ops owner to {own}',
    'create table public.mine ()',
    'create table feed.mine ()',
    'create table graphile_worker.mine ()',
    'create view dashboard.mine as select 1',
    'create sequence ops.mine',
    'create type outbox.mine as (one int)',
    'create function ops.mine() returns int language sql as $$ select 1 $$',
    'create publication mine for all tables',
    'create event trigger mine on ddl_command_start execute function suppress_redundant_updates_trigger()',
    'create foreign data wrapper mine',
    'create language mine handler plpgsql_call_handler',
  ],
  'our objects': [
    'select from feed.ticks',
    'update feed.ticks set bid = 1',
    'delete from feed.ticks',
    'truncate feed.ticks',
    'do $$ begin lock table feed.ticks in access exclusive mode; end $$',
    'copy feed.ticks to stdout',
    'alter table feed.ticks disable trigger all',
    'alter table feed.ticks add column mine int',
    'alter table feed.ticks owner to {own}',
    'create index on feed.ticks (bid)',
    'drop table feed.ticks cascade',
    'reindex table feed.ticks',
    'drop function feed.record_ticks',
    'alter function ops.beat owner to {own}',
    'alter function ops.beat reset all',
    'update feed.instruments set source = source',
    'update feed.storage set retain_for = null',
    'delete from outbox.candles',
    "update outbox.subscriptions set queue = 'mine'",
    'update indicator.values set value = 1',
    'delete from indicator.verdicts',
    'delete from indicator.definitions',
    "update ops.installation set engine = 'postgres'",
    'delete from ops.processes',
    'drop view ops.status cascade',
    'select from migration.migrations',
    "delete from migration.migrations where name = '0001_foundation'",
    'alter table graphile_worker._private_jobs disable row level security',
    'drop policy foresight_workers on graphile_worker._private_jobs',
    "select feed.remove_timeframe('1m')",
    "select outbox.unsubscribe('mine')",
    'call ops.reconcile(now(), now())',
  ],
};

describeOnEngine('A process that logs in as itself', ({ url, sql }) => {
  const passwords = {
    ingest: 'one',
    upkeep: 'two',
    publish: 'three',
    indicators: 'four',
    web: 'five',
  };

  function loginOf(name: WorkerName): string {
    const own = new URL(url);
    own.username = `foresight_${name}`;
    own.password = passwords[name];
    return own.href;
  }

  beforeAll(async () => {
    await migrate({ url, logger: testLogger, passwords });
  });

  afterAll(async () => {
    for (const name of processes) {
      await sql.unsafe(`alter role foresight_${name} nologin password null`);
    }
  });

  it('does all that it has to, upkeep alone with the owner’s login beside it', async () => {
    await expectWorks(url, name => ({
      DATABASE_URL: loginOf(name),
      ...(name === 'upkeep' ? { DATABASE_OWNER_URL: url } : {}),
    }));
    const worker = spawnWorker(
      'upkeep',
      workerEnvironment(loginOf('upkeep'), 'http://127.0.0.1:9'),
    );
    expect(await worker.gone).toMatchObject({ code: 78 });
    expect(worker.log()).toMatch(/^foresight upkeep: DATABASE_OWNER_URL .* as the owner/);
  });

  describe.each(processes)('%s', name => {
    const role = `foresight_${name}`;
    const session: Sql = openDatabase({
      url: loginOf(name),
      process: 'test',
      logger: testLogger,
      maxConnections: 1,
    });
    afterAll(() => session.end({ timeout: 1 }));

    it('is no member of anything, and there is no way back to more', async () => {
      const own = await session.reserve();
      try {
        for (const statement of [
          'set role none',
          'reset role',
          'set session authorization default',
          'reset all',
          'discard all',
        ]) {
          await own.unsafe(statement);
          const rows = await own`
            select session_user::text as session, current_user::text as current,
              (select count(*)::int from pg_auth_members as m where m.member = r.oid) as groups,
              r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls as is_more
            from pg_roles as r where r.rolname = session_user`;
          expect([...rows]).toEqual([{ session: role, current: role, groups: 0, is_more: false }]);
        }
      } finally {
        own.release();
      }
    });

    it.each(Object.keys(forbidden))('gets nothing of %s', async what => {
      const [known] = await sql<[{ owner: string; database: string; backend: number }]>`
        select quote_ident(current_user) as owner, quote_ident(current_database()) as database, pg_backend_pid() as backend`;
      const other = role === 'foresight_web' ? 'foresight_ingest' : 'foresight_web';
      const names: Record<string, string> = { ...known, other, own: role } as never;
      await session.unsafe('create temp table if not exists mine ()');
      const allowed: string[] = [];
      for (const template of forbidden[what] ?? []) {
        const statement = template.replaceAll(/\{(\w+)\}/g, (_, key: string) => String(names[key]));
        const code = await session.unsafe(statement).then(
          () => 'done',
          (error: { code?: string; message: string }) =>
            error.code === '42501' ? '' : `${error.code} ${error.message}`,
        );
        if (code !== '') allowed.push(`${statement}: ${code}`);
      }
      expect(allowed).toEqual([]);
    });
  });

  it('is tried with more than a hundred statements', () => {
    expect(Object.values(forbidden).flat().length).toBeGreaterThan(100);
  });
});
