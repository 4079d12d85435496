import { expect, it } from 'vitest';
import { freePort } from '../start/embedded/cluster.ts';
import { describeOnEngine } from './support/database.ts';
import { spawnWorker, workerEnvironment } from './support/system.ts';

describeOnEngine('A database of a newer version', ({ sql, url }) => {
  it('is left alone by every process, which says so in one line and ends', async () => {
    await sql`insert into migration.migrations (name, run_on) values ('8000_of_the_future', now())`;
    for (const name of ['ingest', 'upkeep', 'publish', 'indicators', 'web'] as const) {
      const env = {
        ...workerEnvironment(url, 'http://127.0.0.1:9'),
        PORT: String(await freePort()),
      };
      const worker = spawnWorker(name, env);
      expect(await worker.gone, worker.log()).toMatchObject({ code: 78 });
      expect(worker.log()).toBe(
        `foresight ${name}: DATABASE_URL: that database has the migration 8000_of_the_future, which this version does not know: start the newer version\n`,
      );
    }
    expect(await sql`select from ops.processes where process <> 'web'`).toHaveLength(0);
  });
});
