import { setTimeout as sleep } from 'node:timers/promises';
import { countMessages } from '../../tests/support/system.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import {
  compareCandles,
  compareHeld,
  compareTicks,
  compareValues,
  createOracle,
} from './compare.ts';
import { kill } from './faults.ts';
import type { Health } from './health.ts';
import type { Comparison, Ledger } from './ledger.ts';
import { type Feeders, instruments } from './market.ts';
import { pausedSubscription, stubbornly } from './operator.ts';
import { discardPoison, refusedInError } from './poison.ts';
import { compareOld } from './retention.ts';
import type { Watcher } from './subscribers.ts';
import type { World } from './world.ts';

interface Subscribed {
  readonly name: string;
  readonly timeframes: readonly string[];
  readonly sides: readonly string[];
  readonly closedOnly: boolean;
  readonly watcher: Watcher;
}

const convergenceDeadlineMs = 60_000;

/** Lets everything come to rest, and compares it with the oracle. */
export async function judge(parts: {
  world: World;
  ledger: Ledger;
  feeders: Feeders;
  health: Pick<Health, 'acted' | 'endTruth'>;
  wanted: readonly Subscribed[];
  say: (line: string) => void;
}): Promise<Comparison & { convergenceSeconds: number | undefined }> {
  const { world, ledger, feeders, health, wanted, say } = parts;
  const differences: string[] = [];
  const compared: Record<string, number> = {};
  const add = (comparison: Comparison): void => {
    for (const [what, count] of Object.entries(comparison.compared)) {
      compared[what] = (compared[what] ?? 0) + count;
    }
    differences.push(...comparison.differences);
  };

  await endFaults(world, differences);
  const quietFrom = Date.now();
  const stopping = feeders.stop();
  // A tick of the future that came last is all that is heard of its source then.
  health.acted('stream ends')();
  const convergenceSeconds = await converge(world, quietFrom, stopping, differences);
  say(`${world.engine}: came to rest after ${convergenceSeconds?.toFixed(1) ?? 'more than 300'} s`);
  health.endTruth();
  await stopping;
  differences.push(...feeders.refused().map(line => `a batch was refused: ${line}`));

  // A provider's prices of while nobody listened are gone, unless it sends them again.
  await resendStreamed(world, ledger, feeders, differences);
  // What no candle of the provider has filled until now would be filled while we compare.
  await stubbornly(() =>
    world.query(
      `update feed.gaps set closed_at = now(), grade = 'impossible' where closed_at is null`,
    ),
  );
  await converge(world, Date.now(), Promise.resolve(), differences);
  const bySymbol = new Map<string, Tick[]>();
  for (const symbol of ledger.symbols()) {
    const result = await compareTicks(world.query, ledger, symbol);
    bySymbol.set(symbol, result.ticks);
    add(result);
  }
  differences.push(...(await compareCounts(world, feeders)));
  const candlesOf = createOracle(bySymbol);
  for (const symbol of bySymbol.keys()) add(await compareCandles(world.query, candlesOf, symbol));
  add(await settled(() => compareValues(world.query, candlesOf)));
  differences.push(...(await compareMissed(world)));
  add(await compareOld(world.query));
  for (const each of wanted) {
    const isEmpty = await isRead(world, each.name);
    if (!isEmpty) differences.push(`${each.name}: messages are left in the queue`);
    add(
      await settled(() => {
        const held = each.watcher.held();
        return compareHeld(world.query, candlesOf, [...bySymbol.keys()], { ...each, held });
      }),
    );
    differences.push(...each.watcher.faults);
  }
  return { compared, differences, convergenceSeconds };
}

/** Candles close while we look, and what is on its way arrives: what differs is looked at again. */
async function settled(compare: () => Promise<Comparison>): Promise<Comparison> {
  let result = await compare();
  for (let attempt = 1; attempt < 10 && result.differences.length > 0; attempt++) {
    await sleep(2_000);
    result = await compare();
  }
  return result;
}

/** A message whose answer got lost on the way to a subscriber is hidden for half a minute. */
async function isRead(world: World, queue: string): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if ((await countMessages(world.queues.sqs, queue)) === 0) return true;
    await sleep(500);
  }
  return false;
}

/** Every action undoes itself; this is for what one could not undo. */
async function endFaults(world: World, differences: string[]): Promise<void> {
  world.postgresProxy.set(undefined);
  world.sqsProxy.set(undefined);
  world.oanda.goSilent(false);
  for (const pid of world.pids().values()) kill(pid, 'SIGCONT');
  await world.server.ensureRunning();
  await world.queues.start();
  await stubbornly(() => world.query('select outbox.resume($1)', [pausedSubscription]));
  await stubbornly(() => discardPoison(world.query));
  differences.push(...(await refusedInError(world.query)));
  // Those of a timeframe that is gone cannot be sent again.
  await stubbornly(() => world.query('select ops.redrive(null), ops.discard_dead_letters()'));
}

/** Until nothing is left to do and `ops.status` is healthy; says how long it took. */
async function converge(
  world: World,
  from: number,
  feeding: Promise<unknown>,
  differences: string[],
): Promise<number | undefined> {
  let left = 'ticks are still being sent';
  let isFed = false;
  void feeding.then(() => {
    isFed = true;
  });
  while (Date.now() - from < 300_000) {
    if (isFed) left = await whatIsLeft(world).catch((error: unknown) => String(error));
    if (left === '') {
      const seconds = (Date.now() - from) / 1_000;
      if (seconds * 1_000 > convergenceDeadlineMs) {
        differences.push(`came to rest only after ${seconds.toFixed(1)} s`);
      }
      return seconds;
    }
    await sleep(300);
  }
  differences.push(`did not come to rest within 300 s: ${left}`);
  return undefined;
}

async function whatIsLeft(world: World): Promise<string> {
  await discardPoison(world.query);
  const [row] = await world.query<Record<string, number>>(`
    select (select count(*)::int from outbox.changes) as changes,
      (select count(*)::int from outbox.deliveries) as deliveries,
      (select count(*)::int from outbox.backfills) as backfills,
      (select count(*)::int from outbox.dead_letters) as dead_letters,
      (select count(*)::int from outbox.candles as c
       where not c.is_closed and c.closes_at <= clock_timestamp() - interval '2 seconds') as overdue,
      (select count(*)::int from indicator.pending) as pending,
      (select count(*)::int from indicator.backfills) as backfills`);
  const services = await world.query<{ queue: string }>(`select queue from indicator.services`);
  const counts = await Promise.all(
    services.map(({ queue }) => countMessages(world.queues.sqs, queue)),
  );
  const messages = counts.reduce((sum, count) => sum + count, 0);
  const [status] = await world.query<{ faults: string[] }>('select faults from ops.status');
  return [
    ...Object.entries({ ...row, messages })
      .filter(([, count]) => count !== 0)
      .map(([what, count]) => `${count} ${what}`),
    ...(status?.faults ?? []),
  ].join(', ');
}

async function resendStreamed(
  world: World,
  ledger: Ledger,
  feeders: Feeders,
  differences: string[],
): Promise<void> {
  for (const { symbol } of instruments.oanda) {
    let missing: Tick[] = [];
    for (let attempt = 0; attempt < 5; attempt++) {
      missing = (await compareTicks(world.query, ledger, symbol)).missing;
      if (missing.length === 0) break;
      await feeders.resend(missing);
      await sleep(3_000);
    }
    for (const tick of missing)
      differences.push(`sent again and not stored: ${JSON.stringify(tick)}`);
  }
}

/** What upkeep found that a service had not heard of would be repaired, and nobody would see that it was lost. */
async function compareMissed(world: World): Promise<string[]> {
  await world.query(`select indicator.find_missed('0 s', max_buckets => 10000)`);
  const rows = await world.query<{ what: string }>(`
    select format('service %s did not hear of %s %s %s at %s with revision %s, captured at %s, found at %s',
      m.service, i.symbol, m.timeframe, m.side, m.bucket, m.revision, m.captured_at, m.found_at) as what
    from indicator.missed as m join feed.instruments as i using (instrument_id) order by m.found_at`);
  return rows.map(({ what }) => what);
}

/**
 * The counters of a source grow in the statement that stores, so they say exactly what is in the tables.
 * An attempt without an answer may have been stored: their sum lies between what was acknowledged and
 * what was attempted.
 */
async function compareCounts(world: World, feeders: Feeders): Promise<string[]> {
  const [row] = await world.query<Record<string, number>>(`
    select s.stored_count::int as stored, s.rejected_count::int + s.conflicting_count::int as aside,
      (s.stored_count + s.duplicate_count + s.conflicting_count + s.rejected_count)::int as total,
      (select coalesce(sum(r.count), 0)::int from feed.rejections as r where r.source = 'manual') as rejections,
      (select count(*)::int from feed.ticks as t join feed.instruments as i using (instrument_id)
       where i.source = 'manual') as tick_rows
    from feed.source_states as s where s.source = 'manual'`);
  const { stored = 0, aside = 0, total = 0, rejections = 0, tick_rows = 0 } = row ?? {};
  const totals = feeders.totals();
  const faults: string[] = [];
  const check = (isRight: boolean, what: string) => {
    if (!isRight) faults.push(`counters: ${what}`);
  };
  check(stored === tick_rows, `${stored} stored, ${tick_rows} rows in feed.ticks`);
  check(aside === rejections, `${aside} kept aside, ${rejections} counted in feed.rejections`);
  faults.push(...(await compareRefusals(world)));
  check(
    totals.acknowledged <= total && total <= totals.attemptedTicks,
    `${total} in all, ${totals.acknowledged} acknowledged, ${totals.attemptedTicks} attempted`,
  );
  check(
    totals.stored <= stored && totals.refused <= aside,
    `${totals.stored} acknowledged as stored of ${stored}, ${totals.refused} as kept aside of ${aside}`,
  );
  return faults;
}

/** A provider's noise too is counted by its reasons, each line once. */
async function compareRefusals(world: World): Promise<string[]> {
  const rows = await world.query<{ source: string; aside: number; reasons: number }>(`
    select s.source, (s.rejected_count + s.conflicting_count)::int as aside,
      (select coalesce(sum(r.count), 0)::int from feed.rejections as r where r.source = s.source) as reasons
    from feed.source_states as s where s.source <> 'manual'`);
  return rows
    .filter(({ aside, reasons }) => aside !== reasons)
    .map(({ source, ...counts }) => `counters of ${source}: ${JSON.stringify(counts)}`);
}
