import type { Sql } from '../../db/runtime/database.ts';
import { sleep } from '../../db/runtime/process.ts';
import { totalOf } from '../harness/queue.ts';
import { type Meter, openMeter } from '../harness/statements.ts';
import type { Database } from './database.ts';
import type { Figure } from './figures.ts';
import { fillHistory, preparePipeline, settled } from './pipeline.ts';
import { startSubscriber } from './subscriber.ts';
import { processNames, type System, systemUsage, withSystem } from './system.ts';
import { cpuBetween, serverCpu } from './usage.ts';

const part = 'idle';
/** Old enough that every candle, also the one of its day, is closed before the quiet begins. */
const historyEndMs = 2 * 86_400_000;

/** What a minute without ticks costs, with all processes, 200 indicators and a subscription beside those of the services. */
export async function measureIdle(database: Database, isQuick: boolean): Promise<Figure[]> {
  const { sql, url } = database;
  const pipeline = await preparePipeline(database, { hours: 0, budgetMs: 0 });
  const rows = await sql<{ symbol: string; instrument_id: number }[]>`
    select symbol, instrument_id from feed.instruments order by symbol`;
  const ids = new Map(rows.map(row => [row.symbol, row.instrument_id]));
  await fillHistory(database, ids, { hours: 1, budgetMs: 60_000, endMs: historyEndMs });
  const meters = new Map<string, Meter>();
  try {
    for (const name of processNames) meters.set(name, await openMeter(url));
    const urlOf = (name: string): string => meters.get(name)?.url ?? url;
    return await withSystem({ processes: processNames, urlOf }, async system => {
      const { queue } = system;
      const subscriber = await startSubscriber(queue.endpoint, 'bench', pipeline.symbols);
      system.onStop(() => subscriber.stop());
      await sql`select outbox.subscribe('bench', 'bench')`;
      const schedule = { startsAt: Date.now(), rate: 1, count: 0, firstNumber: 1, isEndless: true };
      const quiet = system.children.get('ingest')?.ask({ ...schedule, symbols: pipeline.symbols });
      quiet?.catch(() => undefined);
      await settled(sql);
      await maintained(sql);
      // A connection that has become idle tells its statistics after ten seconds.
      await sleep(12_000);
      return measure(sql, system, meters, isQuick ? 15 : 60);
    });
  } finally {
    for (const meter of meters.values()) await meter.close();
  }
}

/** Until the last run has found nothing new: what came before the quiet is no part of it. */
async function maintained(sql: Sql): Promise<void> {
  for (const deadline = Date.now() + 180_000; ; await sleep(500)) {
    const [row] = await sql<{ is_done: boolean }[]>`
      select not m.is_unfinished and m.revisions = ops.drawn_revisions() as is_done
      from ops.maintenance as m`;
    if (row?.is_done) return;
    if (Date.now() > deadline) throw new Error('maintenance did not come to an end');
  }
}

async function measure(
  sql: Sql,
  system: System,
  meters: ReadonlyMap<string, Meter>,
  seconds: number,
): Promise<Figure[]> {
  const before = await reading(sql, system, meters);
  await sleep(seconds * 1_000);
  const after = await reading(sql, system, meters);
  const aMinute = (count: number): number => (count * 60) / seconds;
  const figure = (name: string, unit: string, count: number): Figure => ({
    part,
    name,
    unit: `${unit}/minute`,
    value: aMinute(count),
  });
  const statements: { process: string; text: string; count: number }[] = [];
  for (const [process, counts] of after.statements) {
    for (const [text, count] of counts) {
      const more = count - (before.statements.get(process)?.get(text) ?? 0);
      if (more > 0) statements.push({ process, text, count: more });
    }
  }
  const sum = (wanted: readonly { count: number }[]): number =>
    wanted.reduce((total, each) => total + each.count, 0);
  const isHeartbeat = ({ text }: { text: string }): boolean =>
    ['ops.beat', 'indicator.beat'].includes(text);
  return [
    ...processNames.map(name =>
      figure(
        `statements of ${name}`,
        'statements',
        sum(statements.filter(each => each.process === name)),
      ),
    ),
    figure('heartbeats', 'statements', sum(statements.filter(isHeartbeat))),
    figure(
      'statements that are no heartbeats',
      'statements',
      sum(statements.filter(each => !isHeartbeat(each))),
    ),
    ...statements
      .filter(each => !isHeartbeat(each))
      .toSorted((a, b) => b.count - a.count)
      .slice(0, 12)
      .map(({ process, text, count }) => figure(`${process}: ${text}`, 'statements', count)),
    figure('transactions of the database', 'commits', after.commits - before.commits),
    figure('SQS requests that send', 'requests', after.sent.requests - before.sent.requests),
    figure('messages', 'messages', after.sent.messages - before.sent.messages),
    figure('SQS requests that receive or look up', 'requests', after.other - before.other),
    ...[...after.usage].map(([name, usage]) =>
      figure(`CPU, ${name}`, 's', usage.cpuSeconds - (before.usage.get(name)?.cpuSeconds ?? 0)),
    ),
    figure('CPU, PostgreSQL', 's', cpuBetween(before.cpu, after.cpu)),
    figure('WAL of the whole server', 'kB', (after.wal - before.wal) / 1_024),
  ];
}

async function reading(sql: Sql, system: System, meters: ReadonlyMap<string, Meter>) {
  const counts = await system.queue.counts();
  const statements = new Map([...meters].map(([name, meter]) => [name, meter.counts()]));
  const [row] = await sql<{ commits: number; wal: number }[]>`
    select d.xact_commit::float8 as commits,
      pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal
    from pg_stat_database as d where d.datname = current_database()`;
  return {
    statements,
    sent: totalOf(counts),
    other: counts.otherRequests,
    usage: await systemUsage(system),
    cpu: await serverCpu(sql),
    commits: row?.commits ?? Number.NaN,
    wal: row?.wal ?? Number.NaN,
  };
}
