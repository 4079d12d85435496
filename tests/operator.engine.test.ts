import { expect, it, onTestFinished } from 'vitest';
import { describeOnEngine } from './support/database.ts';
import { spawnWorker, startSystem, type WorkerName, workerEnvironment } from './support/system.ts';
import { waitFor } from './support/wait.ts';

const names = ['ingest', 'upkeep', 'publish', 'indicators'] satisfies WorkerName[];
const nowhere = 'http://127.0.0.1:9';

describeOnEngine('what an operator sees', database => {
  it.each(names)('of %s with a wrong DATABASE_URL is one line that names it', async name => {
    const wrong = new URL(database.url);
    wrong.pathname = '/no_such_database';
    const worker = spawnWorker(name, workerEnvironment(wrong.href, nowhere));
    onTestFinished(() => worker.kill9());
    expect((await worker.gone).code).toBe(78);
    expect(worker.log().trim().split('\n')).toEqual([
      expect.stringMatching(/^foresight \w+: DATABASE_URL: .*no_such_database/),
    ]);
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
