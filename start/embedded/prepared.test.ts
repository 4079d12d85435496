import { chmod, cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finishCopy, migrate } from '../../db/migrate.ts';
import { type Embedded, removeStopped, startEmbedded } from './embedded.ts';
import { findPrepared, prepareDatabase } from './prepared.ts';

const silent = pino({ level: 'silent' });
const password = 'made up for a test';

describe('A prepared database', { timeout: 120_000 }, () => {
  let folder: string;
  let cache: string;
  const running: Embedded[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foresight-prepared-'));
    // Root's server runs as another user, which must be able to enter.
    await chmod(folder, 0o755);
    cache = join(folder, 'cache');
    await prepareDatabase(silent, cache);
  }, 120_000);
  afterAll(async () => {
    for (const embedded of running) await embedded.stop();
    for (const name of await readdir(cache)) await removeStopped(join(cache, name));
    await rm(folder, { recursive: true, force: true });
  });

  async function start(name: string, preparedDir: string | undefined): Promise<Embedded> {
    const embedded = await startEmbedded({
      dataDir: join(folder, name),
      logger: silent,
      preparedDir,
    });
    running.push(embedded);
    return embedded;
  }

  it('is one that a deploy of the same files leaves as it is', async () => {
    const copied = await start('copied', await findPrepared(cache));
    expect(copied.isCopy).toBe(true);
    await finishCopy({
      url: copied.url,
      logger: silent,
      passwords: { ...noPasswords, web: password },
    });
    expect(await query(copied.url, 'select engine from ops.installation')).toEqual(['postgres']);
    // Made at the install, and installed now.
    const age = 'select installed_at > now() - interval $$10 seconds$$ from ops.installation';
    expect(await query(copied.url, age)).toEqual([true]);
    const ofWeb = new URL(copied.url);
    ofWeb.username = 'foresight_web';
    ofWeb.password = password;
    expect(await query(ofWeb.href, 'select count(*)::int from ops.status')).toEqual([1]);

    const before = await objects(copied.url);
    expect(before.length).toBeGreaterThan(200);
    await migrate({ url: copied.url, logger: silent });
    expect(await objects(copied.url)).toEqual(before);
  });

  it('is copied into a new data folder alone, which then lives on as any other', async () => {
    const prepared = await findPrepared(cache);
    const first = await start('lasting', prepared);
    await query(first.url, 'create table kept as select 42 as answer');
    await first.stop();
    const second = await start('lasting', prepared);
    expect(second.isCopy).toBe(false);
    expect(await query(second.url, 'select answer from kept')).toEqual([42]);
    const other = await start('other', prepared);
    expect(await query(other.url, `select to_regclass('kept')`)).toEqual([null]);
  });

  it('that is not whole, or not to be copied, gives way to a new one', async () => {
    const whole = (await findPrepared(cache)) ?? '';
    const broken = join(folder, 'broken');
    await cp(whole, broken, { recursive: true });
    await rm(join(broken, 'postgres.password'));
    const made = await start('made', broken);
    expect(made.isCopy).toBe(false);
    expect(await query(made.url, 'select 1')).toEqual([1]);
    // As if its server ran.
    await cp(whole, broken, { recursive: true });
    await writeFile(join(broken, 'postgres/postmaster.pid'), `${process.pid}\n`);
    expect((await start('made too', broken)).isCopy).toBe(false);
  });

  it.runIf(process.getuid?.() === 0)('may lie where the server of root cannot go', async () => {
    const hidden = join(folder, 'hidden');
    await mkdir(hidden, { mode: 0o700 });
    await prepareDatabase(silent, hidden);
    const prepared = (await findPrepared(hidden)) ?? '';
    expect((await start('from hidden', prepared)).isCopy).toBe(true);
    const inside = await start('hidden/data', prepared);
    expect(inside.isCopy).toBe(true);
    expect(inside.folder).not.toContain(folder);
    await inside.stop();
    await removeStopped(join(hidden, 'data'));
    await removeStopped(prepared);
  });

  it('is made anew when an install was cut off, or was of other files', async () => {
    const folderOf = (await findPrepared(cache)) ?? '';
    const older = join(cache, 'database-0123456789abcdef');
    await cp(folderOf, older, { recursive: true });
    await rm(join(folderOf, 'whole'));
    expect(await findPrepared(cache)).toBeUndefined();
    await prepareDatabase(silent, cache);
    expect(await findPrepared(cache)).toBe(folderOf);
    expect(await readdir(cache)).toEqual([folderOf.slice(cache.length + 1)]);
    expect((await start('again', folderOf)).isCopy).toBe(true);
  });
});

const noPasswords = {
  ingest: undefined,
  upkeep: undefined,
  publish: undefined,
  indicators: undefined,
  web: undefined,
};

/** Every table, view and function with its text, and who may do what with it. */
function objects(url: string): Promise<unknown[]> {
  return query(
    url,
    `select c.oid::regclass::text || coalesce(c.relacl::text, '') || coalesce(pg_get_viewdef(c.oid), '')
     from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname !~ '^pg_|^information_schema$' and c.relkind in ('r', 'p', 'v')
     union all
     select pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '')
     from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
     where n.nspname !~ '^pg_|^information_schema$' and p.prokind in ('f', 'p')
     order by 1`,
  );
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}
