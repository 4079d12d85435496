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
        select c.relkind::text, c.oid::regclass::text, concat(c.relacl, obj_description(c.oid),
          (select string_agg(concat(a.attname, a.atttypid::regtype), ',' order by a.attnum) from pg_attribute as a where a.attrelid = c.oid))
        from pg_class as c where c.relnamespace = any (${schemas}::regnamespace[])
        union all
        select 'trigger', t.tgname || ' on ' || t.tgrelid::regclass, pg_get_triggerdef(t.oid) from pg_trigger as t
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

  it('that ends in a deadlock with a reader is tried again', async () => {
    const reader = new pg.Client({ connectionString: url });
    await reader.connect();
    // The deploy notices the deadlock first, and in any case later than the reader has begun to wait.
    await sql.unsafe(
      `alter database ${new URL(url).pathname.slice(1)} set deadlock_timeout = '4s'`,
    );
    await reader.query("set deadlock_timeout = '1h'; begin; select from ops.queues");
    const deployed = migrate({ url, logger });
    await waitFor(
      'the deploy waits for the reader',
      () => sql`
        select from pg_stat_activity where datname = current_database()
          and application_name = 'foresight migrate' and wait_event_type = 'Lock'`,
      { until: rows => rows.length > 0 },
    );
    await reader.query('select from feed.rejection_reasons');
    await reader.end();
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
