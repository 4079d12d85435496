import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDatabase } from '../../db/runtime/database.ts';
import { testLogger } from '../../tests/support/database.ts';
import { createRandom, type Random } from '../../tests/support/random.ts';
import { databaseUrl } from '../../tests/support/template.ts';
import { registerKinds } from '../../tests/support/values.ts';
import { waitFor } from '../../tests/support/wait.ts';
import { createFeed } from '../../workers/ingest/feed.ts';
import { createRoster, holdersOf } from '../harness/roster.ts';
import { createDatabase, type Engine, startServer } from '../harness/server.ts';
import { watchHealth } from './health.ts';
import { doorOfCalls, knownOf } from './hostile_calls.ts';
import { doorOfFiles } from './hostile_files.ts';
import { doorOfRequests } from './hostile_requests.ts';
import { doorOfSettings } from './hostile_settings.ts';
import { judge } from './judge.ts';
import { createLedger } from './ledger.ts';
import { instruments, startFeeders } from './market.ts';
import type { Report } from './report.ts';
import { addOldTicks } from './retention.ts';
import { runActions } from './schedule.ts';
import { startWatcher, type Watcher } from './subscribers.ts';
import { startTrials, type Trials } from './trials.ts';
import { openWorld, type World } from './world.ts';

export interface SoakOptions {
  readonly engine: Engine;
  readonly seed: number;
  readonly minutes: number;
  /** Two of each process. */
  readonly twins: boolean;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** The subscriptions that have to hold everything at the end. */
const subscriptions = [
  { name: 'soak-all', timeframes: null, sides: ['bid', 'mid', 'last'], closedOnly: false },
  { name: 'soak-closed', timeframes: ['1s', '1m', '5m'], sides: ['mid', 'last'], closedOnly: true },
] as const;
const late = {
  name: 'soak-late',
  timeframes: ['1m', '15m', '1h', '1d'],
  sides: ['mid'],
  closedOnly: false,
};
/** One of each kind, which is soon more than warming up; rsi goes on to settle. */
const shortIndicators = [
  { kind: 'ma_cross', params: { fast: 3, slow: 10 } },
  { kind: 'rsi', params: { period: 5 } },
  { kind: 'drift', params: { period: 10, horizon: 3 } },
];
const allTimeframes = ['1s', '1m', '5m', '15m', '1h', '4h', '1d'];

/**
 * Runs everything, breaks it at random for some minutes, and compares what is left with the oracle.
 * @returns undefined when the engine is not on this machine.
 */
export async function soak(options: SoakOptions): Promise<Report | undefined> {
  const { engine, seed, minutes, twins, signal, say } = options;
  const random = createRandom(seed);
  const server = await startServer(engine, 'own');
  if (server === undefined) return undefined;
  const logDir = await mkdtemp(join(tmpdir(), `foresight-soak-${engine}-${seed}-`));
  const closers: (() => unknown)[] = [() => server.stop()];
  let isClean = false;
  try {
    const startedAt = new Date().toISOString();
    const streamed = instruments.oanda.map(({ symbol }) => symbol);
    const ingestArgs = ['--source', 'oanda', '--symbols', streamed.join(',')];
    const world = await openWorld(engine, server, logDir, createRoster({ twins, ingestArgs }));
    closers.push(() => world.close());
    await prepare(world);
    const ledger = createLedger();
    const health = watchHealth(world);
    closers.push(() => health.stop());
    const starts = countStarts(world);
    closers.push(() => starts.stop());
    await waitFor('the processes run', () =>
      world.roster.programs.every(({ name }) => world.pids().has(name)),
    );
    await waitFor('the stream is open', () => world.oanda.streamConnections > 0, {
      deadlineMs: 60_000,
    });

    const watchers = new Map<string, Watcher>();
    const watch = (queue: string) =>
      watchers.set(
        queue,
        startWatcher({ sqs: world.queues.sqs, queue, random: random.fork(queue) }),
      );
    for (const { name } of subscriptions) watch(name);
    const feeders = startFeeders({ world, ledger, random });
    closers.push(async () => {
      // Those that wait for an answer get it once the database is back.
      world.postgresProxy.set(undefined);
      await Promise.all([feeders.stop(), ...[...watchers.values()].map(watcher => watcher.stop())]);
    });

    await waitFor(
      'all is well',
      () => world.query<{ is_healthy: boolean }>('select is_healthy from ops.status'),
      { until: ([status]) => status?.is_healthy === true, deadlineMs: 60_000 },
    );
    health.expectTruth(watchers.get('soak-all') as Watcher, ledger.acknowledgedSince);
    // Nothing is wrong yet, and nothing may be named.
    await sleep(10_000);
    let subscribingLate: Promise<void> | undefined;
    const subscribeLate = setTimeout(
      () => {
        watch(late.name);
        subscribingLate = subscribe(world, late, `'-infinity'`);
        subscribingLate.catch((error: unknown) => say(`${late.name}: ${String(error)}`));
      },
      minutes * 60_000 * 0.4,
    );
    closers.push(() => clearTimeout(subscribeLate));
    say(`${engine}: everything runs; breaking it for ${minutes} minutes with the seed ${seed}`);
    const trials = await startHostile(world, await filesDatabase(world, closers), random);
    const stopTrials = () => Promise.all(trials.map(each => each.stop()));
    closers.push(stopTrials);
    const tried = { messages: 0 };
    const done = await runActions({
      parts: {
        world,
        random: random.fork('actions'),
        health,
        queues: subscriptions.map(({ name }) => name),
        tried,
      },
      until: Date.now() + minutes * 60_000,
      signal,
      say,
    });
    say(`${engine}: ${done.kills} kills; everything is allowed to work again`);
    await stopTrials();
    await subscribingLate;
    const verdict = await judge({
      world,
      ledger,
      feeders,
      health,
      say,
      wanted: [...subscriptions, late].map(each => ({
        ...each,
        timeframes: each.timeframes ?? allTimeframes,
        watcher: watchers.get(each.name) as Watcher,
      })),
    });
    const broken = (await Promise.all(trials.map(each => each.judge()))).flat();
    const problems = [
      ...broken,
      ...done.problems,
      ...health.missed,
      ...health.untrue(),
      ...world.refused,
    ];
    isClean = problems.length + verdict.differences.length === 0;
    return {
      seed,
      engine,
      minutes,
      twins,
      startedAt,
      kills: done.kills,
      actions: done.actions,
      ticks: ledger.counts,
      feeders: feeders.describe(),
      hostile: {
        ...Object.fromEntries(trials.map(({ name, outcomes }) => [name, outcomes])),
        messages: { sent: tried.messages },
        'lines of a provider': { sent: feeders.noise() },
      },
      health: health.shown,
      largest: health.largest,
      idleInTransactionSeconds: health.idleInTransactionSeconds(),
      longestWaitSeconds: health.longestWaitSeconds(),
      starts: starts.counts,
      ...verdict,
      compared: { ...verdict.compared, ...messagesOf(watchers) },
      differences: [...problems, ...verdict.differences],
      actionErrors: done.errors,
      logDir,
    };
  } finally {
    for (const close of closers.reverse()) {
      await Promise.resolve(close()).catch((error: unknown) => say(`could not close: ${error}`));
    }
    // Logs are for failures.
    if (isClean) await rm(logDir, { recursive: true, force: true });
  }
}

/** A database beside that of the run, on the same server and behind the same proxy. */
async function filesDatabase(
  { server, url }: World,
  closers: (() => unknown)[],
): Promise<{ url: string; directUrl: string }> {
  const { url: directUrl, drop } = await createDatabase(server);
  closers.push(drop);
  return { url: databaseUrl(url, new URL(directUrl).pathname.slice(1)), directUrl };
}

/** What is tried at the doors of the processes and of the database while everything else happens. */
async function startHostile(
  world: World,
  files: { url: string; directUrl: string },
  random: Random,
): Promise<Trials[]> {
  const webs = holdersOf(world.roster, 'web').map((name, index) => ({
    port: Number(new URL(world.webUrls[index] ?? '').port),
    pid: () => world.pids().get(name),
  }));
  const calls = await doorOfCalls(world, await knownOf(world.query));
  return [
    startTrials(
      doorOfRequests(webs, instruments.oanda[0]?.symbol ?? ''),
      random.fork('hostile requests'),
      [100, 500],
    ),
    startTrials(calls, random.fork('hostile calls'), [500, 1_500]),
    startTrials(doorOfFiles(files, world.logDir), random.fork('hostile files'), [5_000, 40_000]),
    startTrials(doorOfSettings(world.logDir), random.fork('hostile settings'), [5_000, 40_000]),
  ];
}

async function prepare(world: World): Promise<void> {
  // At a weekend a source of currencies may be silent.
  await world.query("delete from feed.sessions where calendar = 'fx'");
  await world.query("delete from feed.closures where calendar = 'fx'");
  const sql = openDatabase({ url: world.directUrl, process: 'soak', logger: testLogger });
  try {
    await registerKinds(sql);
    const feed = createFeed(sql);
    for (const [source, own] of Object.entries(instruments)) {
      await sql`select feed.register_source(${source}, false, is_pushed => ${source === 'manual'})`;
      for (const { symbol } of own) {
        await feed.addInstrument(source, { symbol, description: 'soak', pricePrecision: 5 });
        const side = symbol.includes('TRADE') ? 'last' : 'mid';
        for (const { kind, params } of shortIndicators) {
          await sql`select indicator.add(${symbol}, '1s', ${kind}, ${JSON.stringify(params)}::text::jsonb, ${side})`;
        }
      }
    }
  } finally {
    await sql.end({ timeout: 2 });
  }
  await addOldTicks(world);
  for (const subscription of subscriptions) await subscribe(world, subscription, 'null');
}

async function subscribe(
  world: World,
  wanted: {
    name: string;
    timeframes: readonly string[] | null;
    sides: readonly string[];
    closedOnly: boolean;
  },
  from: string,
): Promise<void> {
  const { name, timeframes, sides, closedOnly } = wanted;
  await waitFor(
    `${name} is subscribed`,
    () =>
      world.query(
        `select outbox.subscribe($1, $1, symbols => null::text[], timeframes => $2, sides => $3,
           closed_only => $4, from_time => ${from})`,
        [name, timeframes, sides, closedOnly],
      ),
    { deadlineMs: 120_000 },
  );
}

/** How often each process was started. */
function countStarts(world: World): { counts: Record<string, number>; stop: () => void } {
  const counts: Record<string, number> = {};
  const last = new Map<string, number>();
  const look = setInterval(() => {
    for (const [name, pid] of world.pids()) {
      if (last.get(name) === pid) continue;
      last.set(name, pid);
      counts[name] = (counts[name] ?? 0) + 1;
    }
  }, 100);
  return { counts, stop: () => clearInterval(look) };
}

function messagesOf(watchers: ReadonlyMap<string, Watcher>): Record<string, number> {
  return Object.fromEntries(
    [...watchers].map(([name, { counts }]) => [`messages of ${name}`, counts.messages]),
  );
}
