import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../start/embedded/cluster.ts';
import { describeOnEngine } from './support/database.ts';
import { spawnWorker, startSystem, type WorkerName, workerEnvironment } from './support/system.ts';
import { waitFor } from './support/wait.ts';

const names = ['ingest', 'upkeep', 'publish', 'indicators'] satisfies WorkerName[];
/** Of a database that will not be there by waiting for it. */
const refused: readonly (readonly [what: string, change: (url: URL) => void])[] = [
  [
    'an unknown database',
    url => {
      url.pathname = '/no_such_database';
    },
  ],
  [
    'a wrong password',
    url => {
      url.password = 'sekret';
    },
  ],
  [
    'an unknown user',
    url => {
      url.username = 'no_such_user';
      url.password = 'sekret';
    },
  ],
  [
    'a user without its role',
    url => {
      url.username = 'foresight_stranger';
      url.password = 'stranger';
    },
  ],
];
const nowhere = 'http://127.0.0.1:9';

describeOnEngine('what an operator sees', database => {
  describe.each([...names, 'web'] as const)('of %s that is refused', name => {
    it.each(refused)('for %s is one line that names DATABASE_URL', async (what, change) => {
      await database.sql`drop role if exists foresight_stranger`;
      await database.sql`create role foresight_stranger login password 'stranger'`;
      onTestFinished(async () => void (await database.sql`drop role foresight_stranger`));
      const wrong = new URL(database.url);
      change(wrong);
      const worker = spawnWorker(name, {
        ...workerEnvironment(wrong.href, nowhere),
        PORT: String(await freePort()),
      });
      onTestFinished(() => worker.kill9());
      expect((await worker.gone).code, what).toBe(78);
      expect(worker.log().trim().split('\n')).toEqual([
        expect.stringMatching(
          new RegExp(`^foresight ${name}: DATABASE_(OWNER_)?URL: \\P{Cc}+$`, 'u'),
        ),
      ]);
      expect(worker.log()).not.toMatch(/sekret|stranger:|\bat .*\.ts/);
    });
  });

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
