import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { migrate } from '../../db/migrate.ts';
import { openDatabase } from '../../db/runtime/database.ts';
import { addInstrument, testLogger } from '../../tests/support/database.ts';
import { readTicks, startMarket } from '../../tests/support/market.ts';
import { ticksOf } from '../../tests/support/tick_series.ts';
import { waitFor } from '../../tests/support/wait.ts';
import { createFeed } from '../../workers/ingest/feed.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import { startEmbedded } from './embedded.ts';

describe('kill -9 of PostgreSQL', () => {
  it('loses no tick that was acknowledged, and work goes on', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'foresight-postmaster-'));
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
    const embedded = await startEmbedded({ dataDir, logger: testLogger });
    onTestFinished(() => embedded.stop());
    await migrate({ url: embedded.url, logger: testLogger });
    const sql = openDatabase({ url: embedded.url, process: 'test', logger: testLogger });
    onTestFinished(() => sql.end({ timeout: 1 }));
    const live = await startMarket({ url: embedded.url, sql });
    onTestFinished(() => live.system.stopAll());
    live.system.supervise();
    await Promise.all([live.system.start('publish'), live.system.start('indicators')]);
    await live.startIngest();

    const symbol = await addInstrument(sql);
    const ledger: Tick[] = [];
    const pump = createPump(createFeed(sql), ticksOf(symbol, 20_000), ledger);
    const pumping = pump.run();
    await waitFor('ticks are acknowledged', () => ledger.length > 500);
    process.kill(embedded.pid, 'SIGKILL');
    const killedAt = Date.now();
    await waitFor('the death is noticed and mended', () => embedded.ensureRunning());
    const resumedMs = await live.resumed(killedAt);
    console.info(`kill -9 of PostgreSQL: prices of now were values again after ${resumedMs} ms`);
    expect(resumedMs).toBeLessThan(30_000);
    pump.stop();
    await pumping;
    await live.expectNothingLost();
    const stored = new Set((await readTicks(sql, symbol)).map(tick => JSON.stringify(tick)));
    expect(ledger.filter(tick => !stored.has(JSON.stringify(tick)))).toEqual([]);
  });
});

/** Writes small batches, and puts into the ledger what came back as stored. */
function createPump(feed: ReturnType<typeof createFeed>, ticks: readonly Tick[], ledger: Tick[]) {
  let isStopped = false;
  return {
    stop: () => {
      isStopped = true;
    },
    async run(): Promise<void> {
      for (let start = 0; start < ticks.length && !isStopped; start += 20) {
        const batch = ticks.slice(start, start + 20);
        try {
          await feed.recordTicks('manual', batch);
          ledger.push(...batch);
        } catch {
          // The outcome is unknown: it may be stored, nobody was promised it.
        }
      }
    },
  };
}
