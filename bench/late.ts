import { sleep } from '../db/runtime/process.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { startWorker } from './child.ts';
import { preparePipeline, settled } from './pipeline.ts';
import { startQueue } from './queue.ts';
import { type Figure, median, percentile } from './report.ts';
import type { Database } from './server.ts';
import { marketTicks } from './ticks.ts';

/** An hour of twenty instruments that comes in a day late, and single late ticks, until published. */
export async function measureLate(database: Database, isQuick: boolean): Promise<Figure[]> {
  const { sql, url } = database;
  const { symbols } = await preparePipeline(database, { hasIndicators: false });
  const queue = await startQueue();
  const publisher = await startWorker('publish', url, queue.endpoint);
  try {
    await sql`select outbox.subscribe('bench', 'bench')`;
    await settled(sql);
    const feed = createFeed(sql);
    const count = isQuick ? 12_000 : 72_000;
    const perSecond = count / 3_600 / symbols.length;
    const from = (Date.now() - 26 * 3_600_000) * 1_000;
    const hour = marketTicks({ symbols, from, count, perSecond });
    const startedAt = performance.now();
    for (let start = 0; start < hour.length; start += 5_000) {
      await feed.recordTicks('manual', hour.slice(start, start + 5_000));
    }
    await feed.nudge();
    const storedAt = performance.now();
    await settled(sql);
    const publishedAt = performance.now();

    const waits: number[] = [];
    for (let index = 0; index < (isQuick ? 10 : 40); index++) {
      const tick = hour[index * 37];
      if (tick === undefined) continue;
      const [before] = await sql<{ sent: number }[]>`
        select sent_count::int as sent from outbox.subscriptions where name = 'bench'`;
      await feed.recordTicks('manual', [{ ...tick, seq: 1 + index, bid: 2, ask: 2.1 }]);
      await feed.nudge();
      const committedAt = performance.now();
      for (;;) {
        const [now] = await sql<{ sent: number }[]>`
          select sent_count::int as sent from outbox.subscriptions where name = 'bench'`;
        if ((now?.sent ?? 0) > (before?.sent ?? 0)) break;
        await sleep(5);
      }
      waits.push(performance.now() - committedAt);
      await sleep(Math.floor((index * 331) % 900));
    }
    const figure = (name: string, unit: string, value: number): Figure => ({
      part: 'late',
      name,
      unit,
      value,
    });
    return [
      figure('an hour, a day late: ticks', 'ticks', count),
      figure('stored', 's', (storedAt - startedAt) / 1_000),
      figure('then in all candles and published', 's', (publishedAt - storedAt) / 1_000),
      figure('altogether', 'ms/tick', (publishedAt - startedAt) / count),
      figure('one late tick -> published, median', 'ms', median(waits)),
      figure('one late tick -> published, 95th percentile', 'ms', percentile(waits, 0.95)),
    ];
  } finally {
    await publisher.stop();
    await queue.stop();
  }
}
