import { sleep } from '../db/runtime/process.ts';
import { startChild, startWorker } from './child.ts';
import type { Schedule } from './load.ts';
import { settled } from './pipeline.ts';
import { startQueue } from './queue.ts';
import type { Figure } from './report.ts';
import type { Database } from './server.ts';
import { addInstruments } from './ticks.ts';

const rate = 1_000;
/** What a service would get that is sent its last hundred candles each minute. */
const windowBars = 100;

/** Ways to subscribe to twenty instruments, by the arguments of outbox.subscribe. */
const subscriptions: Record<string, string> = {
  'all, as it forms': `symbols => null, sides => '{bid,ask,mid}'`,
  'all, forming each second': `symbols => null, sides => '{bid,ask,mid}', forming_every => '1 s'`,
  'all, closed': `symbols => null, sides => '{bid,ask,mid}', closed_only => true`,
  'minutes, as they form': `symbols => null, timeframes => '{1m}'`,
  'minutes, forming each second': `symbols => null, timeframes => '{1m}', forming_every => '1 s'`,
};

/** SQS requests and bytes of several kinds of subscription at 1,000 ticks a second, one at a time. */
export async function measurePublish(database: Database, isQuick: boolean): Promise<Figure[]> {
  const { sql, url } = database;
  const symbols = [...(await addInstruments(sql, 20)).keys()];
  const seconds = isQuick ? 6 : 20;
  const queue = await startQueue();
  const publisher = await startWorker('publish', url, queue.endpoint);
  const figures: Figure[] = [];
  try {
    for (const [name, args] of Object.entries(subscriptions)) {
      await sql.unsafe(`select outbox.subscribe('bench', 'bench', ${args})`);
      const before = await queue.counts();
      const schedule: Schedule = {
        startsAt: Date.now() + 1_500,
        rate,
        count: rate * seconds,
        symbols,
        firstNumber: 1,
      };
      const loading = await startChild('bench/load.main.ts', { PATH: process.env.PATH }, [
        url,
        JSON.stringify(schedule),
      ]);
      await loading.ask('wait');
      await loading.stop();
      await sleep(2_000);
      await settled(sql);
      const after = await queue.counts();
      const [row] = await sql<{ deltas: number; series: number }[]>`
        select s.sent_count::float8 as deltas, (
          select count(*)::int from outbox.filters as f
          join feed.timeframes as t on f.timeframe is null or t.timeframe = f.timeframe
          where f.subscription_id = s.subscription_id) * 20 as series
        from outbox.subscriptions as s where s.name = 'bench'`;
      await sql`select outbox.unsubscribe('bench')`;
      const deltas = row?.deltas ?? 0;
      const bytes = after.bytes - before.bytes;
      const perDelta = bytes / deltas;
      const figure = (what: string, unit: string, value: number): Figure => ({
        part: 'publish',
        name: `${name}: ${what}`,
        unit,
        value,
      });
      figures.push(
        figure('deltas', '/s', deltas / seconds),
        figure(
          'send requests',
          '/1,000 deltas',
          ((after.sendRequests - before.sendRequests) / deltas) * 1_000,
        ),
        figure('send requests', '/s', (after.sendRequests - before.sendRequests) / seconds),
        figure('bytes', '/delta', perDelta),
        figure(
          `bytes beside its last ${windowBars} candles a minute`,
          'times',
          bytes / seconds / (((row?.series ?? 0) * windowBars * perDelta) / 60),
        ),
      );
    }
    return figures;
  } finally {
    await publisher.stop();
    await queue.stop();
  }
}
