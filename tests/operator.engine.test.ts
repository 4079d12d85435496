import { expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../db/runtime/database.ts';
import { freePort } from '../start/embedded/cluster.ts';
import { describeOnEngine, testLogger } from './support/database.ts';
import { spawnWorker, startSystem, type WorkerName, workerEnvironment } from './support/system.ts';
import { waitFor } from './support/wait.ts';

const names = ['ingest', 'upkeep', 'publish', 'indicators'] satisfies WorkerName[];
/** What is changed of a DATABASE_URL, so that waiting cannot help. */
const refused: Readonly<Record<string, (url: URL) => void>> = {
  'an unknown database': url => {
    url.pathname = '/no_such_database';
  },
  'a wrong password': url => {
    url.password = 'sekret';
  },
  'an unknown user': url => {
    url.username = 'no_such_user';
    url.password = 'sekret';
  },
  'a user without its role': url => {
    url.username = 'foresight_stranger';
    url.password = 'stranger';
  },
};
const nowhere = 'http://127.0.0.1:9';

describeOnEngine('what an operator sees', database => {
  const cases = [
    ...names.map(name => [name, 'an unknown database'] as const),
    ...Object.keys(refused).map(what => ['web', what] as const),
  ];

  it.for(cases)(
    'of %s with %s is one line that names DATABASE_URL',
    async ([name, what], { skip }) => {
      await database.sql`drop role if exists foresight_stranger`;
      await database.sql`create role foresight_stranger login password 'stranger'`;
      onTestFinished(async () => void (await database.sql`drop role foresight_stranger`));
      const wrong = new URL(database.url);
      refused[what]?.(wrong);
      skip(
        what === 'a wrong password' && (await isLetIn(wrong.href)),
        'this server asks nobody for a password',
      );
      const worker = spawnWorker(name, {
        ...workerEnvironment(wrong.href, nowhere),
        PORT: String(await freePort()),
      });
      onTestFinished(() => worker.kill9());
      expect((await worker.gone).code).toBe(78);
      expect(worker.log()).toMatch(
        new RegExp(`^foresight ${name}: DATABASE_(OWNER_)?URL: \\P{Cc}+\n$`, 'u'),
      );
      expect(worker.log()).not.toMatch(/sekret|stranger:|\bat .*\.ts/);
    },
  );

  it.each(names)(
    'of %s while the database is away is a warning, and SIGTERM ends it',
    async name => {
      const worker = spawnWorker(
        name,
        workerEnvironment('postgres://somebody:secret@127.0.0.1:1/none', nowhere),
      );
      onTestFinished(() => worker.kill9());
      await waitFor('it says so', () => worker.log().includes('waiting for the database'));
      const began = Date.now();
      expect(await worker.stop()).toEqual({ code: 0, signal: null });
      expect(Date.now() - began).toBeLessThan(8_000);
      expect(worker.log()).not.toMatch(/secret|\bat .*\.ts/);
    },
  );

  it('of a stop while everything is busy is nothing, and it is quick', async () => {
    const system = await startSystem(database);
    onTestFinished(() => system.stopAll());
    const workers = await Promise.all([
      system.start('upkeep'),
      system.start('publish'),
      system.start('indicators'),
      system.start('ingest', ['--history', '2']),
    ]);
    await waitFor('ticks come in', async () => {
      const [row] = await database.sql`select from feed.ticks limit 1`;
      return row !== undefined;
    });
    const began = Date.now();
    for (const worker of workers) expect(await worker.stop()).toEqual({ code: 0, signal: null });
    expect(Date.now() - began).toBeLessThan(20_000);
    expect(
      system
        .logs()
        .split('\n')
        .filter(line => line.startsWith('{')),
    ).toEqual([]);
    const left = await database.sql`select process from ops.processes`;
    expect([...left]).toEqual([]);
  });
});

async function isLetIn(url: string): Promise<boolean> {
  const sql = openDatabase({ url, process: 'test', logger: testLogger, maxConnections: 1 });
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
