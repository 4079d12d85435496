import { execFile } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, it } from 'vitest';
import {
  addInstrument,
  describeOnEngine,
  testLogger,
  withEmptyDatabase,
} from '../../tests/support/database.ts';
import { schemas } from '../../tests/support/schemas.ts';
import { at, tickOf } from '../../tests/support/ticks.ts';
import { waitFor } from '../../tests/support/wait.ts';
import { createFeed } from '../../workers/ingest/feed.ts';
import { migrate } from '../migrate.ts';
import { ConfigError } from '../runtime/config.ts';

const logger = testLogger;

describeOnEngine('The version of the engine', ({ sql }) => {
  const say = async (version: string | null) => {
    const [row] = await sql<{ sentence: string | null }[]>`
      select feed.untested_version(coalesce(${version}, feed.engine_version())) as sentence`;
    return row?.sentence;
  };

  it('is named when it is newer or older than those that are known', async () => {
    expect(await say(null)).toBeNull();
    for (const version of ['99.0', '1.7.5', '2.99.0-dev', '3.0.1', '14.2']) {
      const name = `Engine ${version}`;
      expect(await say(name)).toMatch(new RegExp(`^${name} is not a version that Foresight `));
    }
  });
});

describeOnEngine('A deploy', ({ sql, url }) => {
  /** Everything that a deploy could change, as text. */
  async function catalogue(): Promise<unknown[]> {
    return [
      ...(await sql`
        select 'function' as what, p.oid::regprocedure::text as name,
          pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '') || coalesce(obj_description(p.oid), '') as content
        from pg_proc as p where p.pronamespace = any (${schemas}::regnamespace[])
        union all
        select c.relkind::text, c.oid::regclass::text, concat(c.relacl, obj_description(c.oid), c.reloptions,
          case c.relkind when 'v' then pg_get_viewdef(c.oid) end,
          (select string_agg(concat(a.attname, a.atttypid::regtype), ',' order by a.attnum) from pg_attribute as a where a.attrelid = c.oid))
        from pg_class as c where c.relnamespace = any (${schemas}::regnamespace[])
        union all
        select 'trigger', t.tgname || ' on ' || t.tgrelid::regclass, concat(pg_get_triggerdef(t.oid), t.tgenabled) from pg_trigger as t
        union all
        select 'policy', p.policyname || ' on ' || p.tablename, concat(p.roles, p.cmd, p.qual, p.with_check) from pg_policies as p
        union all
        select 'migration', m.name, '' from migration.migrations as m
        order by 1, 2, 3`),
    ];
  }

  it('that is repeated changes nothing and keeps the data', async () => {
    const symbol = await addInstrument(sql);
    await createFeed(sql).recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    const candles = () => sql`select * from feed.candles(${symbol}, '1d', 'bid')`;
    const before = { catalogue: await catalogue(), candles: [...(await candles())] };
    await migrate({ url, logger });
    await migrate({ url, logger });
    expect({ catalogue: await catalogue(), candles: [...(await candles())] }).toEqual(before);
    expect(before.candles).toHaveLength(1);
  });

  it('succeeds from two places at once, also on an empty database', async () => {
    await withEmptyDatabase(async empty => {
      await Promise.all([migrate({ url: empty, logger }), migrate({ url: empty, logger })]);
      await Promise.all([migrate({ url: empty, logger }), migrate({ url: empty, logger })]);
    });
  });

  it('makes anew what was changed by hand', async () => {
    const right = await catalogue();
    await sql.unsafe(`
      alter table feed.ticks disable trigger _050_refuse_change;
      drop trigger _100_check on feed.storage;
      create or replace trigger _120_note_shown after insert on feed.instruments
        for each statement execute function feed.tg_instruments__note_shown();
      alter view ops.queues set (security_barrier = true);
      create or replace view feed.fault_limits as
        select i as silence, i as wait, i as refusals, i as acceptance, i as clock_error, i as clock_skew, i as removal, i as loss
        from (select interval '1 hour' as i) as one;
      drop policy foresight_workers on graphile_worker._private_jobs;
      alter policy foresight_workers on graphile_worker._private_tasks to foresight_web`);
    expect(await catalogue()).not.toEqual(right);
    await migrate({ url, logger });
    expect(await catalogue()).toEqual(right);
  });

  /** Whatever was done in it is undone. */
  async function inTransaction(work: string, meanwhile: (client: pg.Client) => Promise<void>) {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(`begin; ${work}`);
      await meanwhile(client);
    } finally {
      await client.end();
    }
  }

  const untilItWaits = () =>
    waitFor(
      'the deploy waits for a lock',
      () => sql`
        select from pg_stat_activity where datname = current_database()
          and application_name = 'foresight migrate' and wait_event_type = 'Lock'`,
      { until: rows => rows.length > 0 },
    );

  it('that has nothing to change waits for nobody who reads or writes', async () => {
    const [row] = await sql<{ tables: string; views: string }[]>`
      select string_agg(c.oid::regclass::text, ', ') filter (where c.relkind = 'r') as tables,
        string_agg(c.oid::regclass::text, ', ') filter (where c.relkind = 'v') as views
      from pg_class as c where c.relnamespace = any (${[...schemas, 'graphile_worker']}::regnamespace[])`;
    await inTransaction(
      `lock table ${row?.tables} in row exclusive mode; lock table ${row?.views} in access share mode`,
      () => migrate({ url, logger }),
    );
  }, 30_000);

  it('that has to wait lets those go on who wait for it, and comes back', async () => {
    const right = await catalogue();
    const symbol = await addInstrument(sql);
    await sql`alter table feed.ticks disable trigger _050_refuse_change`;
    await sql`alter view ops.queues set (security_barrier = true)`;
    let deployed: Promise<void> | undefined;
    await inTransaction('select from ops.queues', async () => {
      deployed = migrate({ url, logger });
      await untilItWaits();
      await createFeed(sql).recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    });
    await deployed;
    expect(await catalogue()).toEqual(right);
  }, 30_000);

  it('lets a reader go on who would end with it in a deadlock', async () => {
    await sql`alter view feed.rejection_reasons set (security_barrier = true)`;
    await sql`alter view ops.queues set (security_barrier = true)`;
    let deployed: Promise<void> | undefined;
    await inTransaction("set deadlock_timeout = '1h'; select from ops.queues", async reader => {
      deployed = migrate({ url, logger });
      await untilItWaits();
      await reader.query('select from feed.rejection_reasons');
    });
    await deployed;
  }, 60_000);

  it('of another version than the one that made the database is refused, and changes nothing', async () => {
    const before = await catalogue();
    await sql`insert into migration.migrations (name, run_on) values ('0016_ticks_by_time', now())`;
    const refused = migrate({ url, logger });
    await expect(refused).rejects.toThrow(
      /has the migration 0016_ticks_by_time, .* must be made anew/,
    );
    await expect(refused).rejects.toThrow(ConfigError);
    await sql`delete from migration.migrations where name = '0016_ticks_by_time'`;
    expect(await catalogue()).toEqual(before);
  });

  it('that is cut off while it replaces functions leaves the old ones, and can be run again', async () => {
    const right = await catalogue();
    await sql`comment on function feed.engine_version() is 'as of an older version'`;
    await sql`alter table feed.ticks disable trigger _050_refuse_change`;
    const old = await catalogue();
    await cutOff(url, 'lock table feed.ticks in row exclusive mode');
    expect((await catalogue()).filter(isNoMark)).toEqual(old.filter(isNoMark));
    await migrate({ url, logger });
    expect(await catalogue()).toEqual(right);
  });

  it('that is cut off on an empty database can be run again', async () => {
    await withEmptyDatabase(async empty => {
      await cutOff(empty, 'create schema feed');
      await migrate({ url: empty, logger });
    });
  });

  it('with a broken function file changes nothing, says why, and ends with an error', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'foresight-deploy-'));
    try {
      const source = fileURLToPath(new URL('..', import.meta.url));
      cpSync(source, join(folder, 'db'), {
        recursive: true,
        filter: file => !file.includes('/tests'),
      });
      symlinkSync(join(source, '../node_modules'), join(folder, 'node_modules'));
      writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
      const file = (name: string) => join(folder, 'db/functions/90_ops', name);
      appendFileSync(file('beat.sql'), `comment on function ops.beat is 'changed';`);
      writeFileSync(file('zz_broken.sql'), 'create function ops.zz_broken() returns int begin;');
      const before = await catalogue();
      const { code, output } = await run(join(folder, 'db/migrate.ts'), url);
      expect(code).toBe(1);
      expect(output).toContain('syntax error');
      expect((await catalogue()).filter(isNoMark)).toEqual(before.filter(isNoMark));
      rmSync(file('zz_broken.sql'));
      expect(await run(join(folder, 'db/migrate.ts'), url)).toMatchObject({ code: 0 });
      expect(await catalogue()).not.toEqual(before);
      await migrate({ url, logger });
      expect(await catalogue()).toEqual(before);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** The mark of the functions is taken off before they are applied, so that a cut-off deploy applies them again. */
const isNoMark = (row: unknown) => (row as { name: string }).name !== '9999_functions';

/** Starts a deploy that has to wait for `obstacle`, and ends its connection there. */
async function cutOff(url: string, obstacle: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('begin');
    await client.query(obstacle);
    const deploy = expect(migrate({ url, logger })).rejects.toThrow();
    const giveUpAt = Date.now() + 60_000;
    for (;;) {
      // Within a transaction it would show the same activity for ever.
      await client.query('select pg_stat_clear_snapshot()');
      const { rowCount } = await client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pg_backend_pid() = any (pg_blocking_pids(pid))`,
      );
      if (rowCount === 1) break;
      if (Date.now() > giveUpAt) throw new Error('the deploy does not wait');
    }
    await deploy;
  } finally {
    await client.query('rollback');
    await client.end();
  }
}

function run(file: string, url: string): Promise<{ code: number; output: string }> {
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [file],
      { env: { ...process.env, DATABASE_URL: url } },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
  });
}
