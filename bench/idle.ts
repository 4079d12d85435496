import { sleep } from '../db/runtime/process.ts';
import { startChild, startWorker } from './child.ts';
import { functionTimes, timeFunctions } from './functions.ts';
import { preparePipeline, settled } from './pipeline.ts';
import { startQueue } from './queue.ts';
import type { Figure } from './report.ts';
import type { Database } from './server.ts';

/** What a minute without a tick costs, with history, subscriptions and every process but ingest. */
export async function measureIdle(database: Database, isQuick: boolean): Promise<Figure[]> {
  const { sql, url } = database;
  await preparePipeline(database, { hours: 2, perSecond: 0.05 });
  await timeFunctions(sql);
  const queue = await startQueue();
  const closers: (() => Promise<void>)[] = [() => queue.stop()];
  try {
    await sql`select outbox.subscribe('bench', 'bench')`;
    const children = new Map(
      await Promise.all(
        (['publish', 'indicators'] as const).map(
          async name => [name as string, await startWorker(name, url, queue.endpoint)] as const,
        ),
      ),
    );
    const env = { PATH: process.env.PATH, DATABASE_URL: url, PORT: '0', LOG_LEVEL: 'warn' };
    children.set('web', await startChild('web/main.ts', env));
    closers.push(...[...children.values()].map(child => () => child.stop()));
    await settled(sql);
    // Until the history's forming candles are closed and sent, and a cron's minute has begun.
    await sleep(isQuick ? 10_000 : 70_000);
    await settled(sql);
    const minutes = isQuick ? 0.25 : 2;
    const read = async () => {
      const [row] = await sql<{ transactions: number; wal: number }[]>`
        select (d.xact_commit + d.xact_rollback)::float8 as transactions,
          (pg_current_wal_lsn() - '0/0')::float8 as wal
        from pg_stat_database as d where d.datname = current_database()`;
      const cpu = new Map([...children].map(([name, child]) => [name, child.cpuSeconds()]));
      return { row, cpu, counts: await queue.counts(), calls: await functionTimes(sql) };
    };
    const before = await read();
    await sleep(minutes * 60_000);
    const after = await read();
    const figure = (name: string, unit: string, difference: number): Figure => ({
      part: 'idle',
      name,
      unit,
      value: difference / minutes,
    });
    const called = ['outbox.has_work', 'indicator.has_work', 'ops.beat'].map(name =>
      figure(
        name,
        'calls/min',
        (after.calls.get(name)?.calls ?? 0) - (before.calls.get(name)?.calls ?? 0),
      ),
    );
    const sum = (calls: typeof after.calls, pattern: RegExp): number =>
      [...calls].reduce(
        (total, [name, { calls: count }]) => total + (pattern.test(name) ? count : 0),
        0,
      );
    const working =
      /^(outbox\.(capture|close|claim|queue|mark)|indicator\.(claim|record|finish|accept|candle))/;
    return [
      figure(
        'transactions, all of the database',
        '/min',
        (after.row?.transactions ?? 0) - (before.row?.transactions ?? 0),
      ),
      ...called,
      figure(
        'calls that work on ticks, candles or values',
        '/min',
        sum(after.calls, working) - sum(before.calls, working),
      ),
      figure(
        'WAL of the whole server',
        'kB/min',
        ((after.row?.wal ?? 0) - (before.row?.wal ?? 0)) / 1_024,
      ),
      figure('SQS messages', '/min', after.counts.messages - before.counts.messages),
      figure(
        'SQS requests',
        '/min',
        after.counts.otherRequests +
          after.counts.sendRequests -
          before.counts.otherRequests -
          before.counts.sendRequests,
      ),
      ...[...children.keys()].map(name =>
        figure(
          `processor time of ${name}`,
          's/min',
          (after.cpu.get(name) ?? 0) - (before.cpu.get(name) ?? 0),
        ),
      ),
    ];
  } finally {
    for (const close of closers.reverse()) await close();
  }
}
