import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { describeOnEngine, type TestDatabase } from './support/database.ts';
import { type LiveMarket, startMarket } from './support/market.ts';
import type { WorkerName } from './support/system.ts';
import { waitFor } from './support/wait.ts';

/** After any fault ticks of now must be values again within this time. */
const resumeWithinMs = 30_000;

let market: LiveMarket | undefined;
afterEach(async () => {
  await market?.system.stopAll();
  market = undefined;
});

async function start(database: TestDatabase): Promise<LiveMarket> {
  market = await startMarket(database);
  const { system } = market;
  await Promise.all([
    system.start('upkeep'),
    system.start('publish'),
    system.start('indicators'),
    market.startIngest(),
  ]);
  return market;
}

/** While the history comes in: a burst of many batches. */
async function waitForBurst({ sql }: LiveMarket): Promise<void> {
  await waitFor('ticks come in', async () => {
    const [row] = await sql`select from feed.ticks limit 1`;
    return row !== undefined;
  });
}

function expectResumed(what: string, ms: number): void {
  console.info(`${what}: prices of now were values again after ${ms} ms`);
  expect(ms, `${what}: time to go on`).toBeLessThan(resumeWithinMs);
}

for (const name of ['ingest', 'upkeep', 'publish', 'indicators'] satisfies WorkerName[]) {
  describeOnEngine(`kill -9 of ${name}`, database => {
    it('loses and doubles nothing, and work goes on at once', async () => {
      const live = await start(database);
      await waitForBurst(live);
      for (const moment of ['in the burst', 'in live prices']) {
        const killedAt = Date.now();
        await live.system.kill9(name);
        if (name === 'ingest') await live.startIngest();
        else await live.system.start(name);
        expectResumed(
          `${database.engine}, kill -9 of ${name} ${moment}`,
          await live.resumed(killedAt),
        );
      }
      await live.expectNothingLost();
    });
  });
}

describeOnEngine('a storm that ends all database sessions', database => {
  it('loses and doubles nothing, and work goes on', async () => {
    const live = await start(database);
    await waitForBurst(live);
    live.system.supervise();
    let endedAt = 0;
    for (let round = 0; round < 8; round++) {
      endedAt = Date.now();
      await database.sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name <> 'foresight test'`;
      await sleep(50 * round);
    }
    expectResumed(`${database.engine}, storm of ended sessions`, await live.resumed(endedAt));
    await live.expectNothingLost();
  });
});

describeOnEngine('a publisher that comes back from the dead', database => {
  it('changes nothing for the worse after another one took over', async () => {
    market = await startMarket(database);
    const live = market;
    const [zombie] = await Promise.all([
      live.system.start('publish'),
      live.system.start('upkeep'),
      live.system.start('indicators'),
    ]);
    await live.startIngest();
    await waitFor('it is frozen with deliveries in its hand', async () => {
      zombie.freeze();
      const [row] = await database.sql`
        select count(*)::int as leased from outbox.deliveries where claimed_until > clock_timestamp()`;
      if (row?.leased > 0) return true;
      zombie.thaw();
      return false;
    });
    // As if the thirty seconds of its lease were over.
    await database.sql`update outbox.deliveries set claimed_until = '-infinity'`;
    const frozenAt = Date.now();
    await live.system.start('publish');
    expectResumed(`${database.engine}, publisher frozen`, await live.resumed(frozenAt));
    const thawedAt = Date.now();
    zombie.thaw();
    await live.resumed(thawedAt);
    await live.expectNothingLost();
  });
});
