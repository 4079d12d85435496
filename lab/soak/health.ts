import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Role, Roster } from '../harness/roster.ts';
import type { Ledger } from './ledger.ts';
import type { Watcher } from './subscribers.ts';
import { type Held, judgeTelling, type Observation, type Signs, shows, type View } from './told.ts';
import type { World } from './world.ts';

/** What the system said of itself, once a second, and how large it was. */
export interface Health {
  /** An action begins; the returned function says that it has ended. */
  acted(kind: string): () => void;
  /**
   * To be called before a fault is undone, and with the time for which it really held: counts whether and when
   * each view told it, and from then on how long each goes on to.
   */
  expectShown(what: string, signs: Signs, held: Held): void;
  /**
   * Everything works: from now on `ops.status` may name nothing without a cause, nor be content while this
   * subscriber has waited for long for what was acknowledged.
   */
  expectTruth(subscriber: Watcher, acknowledgedSince: Ledger['acknowledgedSince']): void;
  /** We are about to compute for long; our proxies pass on nothing meanwhile, not even a heartbeat. */
  endTruth(): void;
  /** Resolves when a price that is newer than `since` is an indicator value. */
  recovered(since: number, deadlineMs: number): Promise<number | undefined>;
  readonly shown: Record<string, ShownCount>;
  readonly missed: string[];
  /** What was named without a cause, or not named though something was wrong. */
  untrue(): string[];
  readonly largest: { memoryMb: Record<string, number>; tableMb: Record<string, number> };
  /** Longest time that a session was idle in a transaction. */
  idleInTransactionSeconds(): number;
  /** Longest time that the subscriber of `expectTruth` had waited when somebody asked. */
  longestWaitSeconds(): number;
  stop(): Promise<void>;
}

export interface ShownCount {
  times: number;
  shown: number;
  missed: number;
  /** Another fault ended it before it had to be told. */
  brief: number;
  /** Nobody could ask. */
  unseen: number;
  /** How often each view told it, after how long, and for how long after its end. */
  readonly by: Record<View, { shownMs: number[]; clearMs: number[]; neverClear: number }>;
}

/** As long as a fault may show after what was done has ended: to show, to go on, to be clean again. */
const causeMs = 60_000;
const clearDeadlineMs = 60_000;
/** A subscriber that has waited this long has to be told of. */
const longWaitMs = 20_000;

/** An action without an end: poison whose answer was lost comes again, whenever that is. */
export const poisoned = 'poison';

const server = 'postgres|session|lock held|migrate|snapshot|timeframe|storage|captures';
const queues = 'sqs|queue|publish|upkeep|subscription|republish|refused for good';
const candles = 'publish|upkeep|refresh|advance|reconciled';

/** Which actions can be the cause of which fault. */
function causesOf({ roles }: Roster): readonly (readonly [RegExp, RegExp])[] {
  const services = roles.filter(({ isService }) => isService);
  /** Whatever happens to those that have a role; one of them may have another one too. */
  const toHolders = ({ name, isService, holders }: Role): string =>
    isService && holders.length > 1 ? services.map(each => each.name).join('|') : name;
  return [
    ...roles.map(
      role => [new RegExp(`^${role.fault}`), new RegExp(`${toHolders(role)}|${server}`)] as const,
    ),
    ...services.map(
      role =>
        [
          new RegExp(` of service ${role.name} `),
          new RegExp(`${toHolders(role)}|indicator |recompute|${queues}|${server}`),
        ] as const,
    ),
    [/^source /, new RegExp(`ingest|stream|silent|${server}`)],
    [/^subscription /, new RegExp(`${queues}|${server}`)],
    [/^changes /, new RegExp(`${candles}|${server}`)],
    [/ not closed/, new RegExp(`${candles}|${server}`)],
    [/\(indicator\.dead_letters\)/, new RegExp(`^${poisoned}$`)],
    [/dead_letters/, /refused for good/],
  ];
}

export function watchHealth(world: World): Health {
  const causes = causesOf(world.roster);
  const observations: Observation[] = [];
  const largest: Health['largest'] = { memoryMb: {}, tableMb: {} };
  const shown: Health['shown'] = {};
  const missed: string[] = [];
  /** When it was said first. */
  const untrue = new Map<string, number>();
  const actions: { kind: string; endedAt: number }[] = [];
  const clearing = new Set<(seen: Observation) => boolean>();
  let waits: (() => number) | undefined;
  let trueFrom = 0;
  let wasLong = false;
  let longestWait = 0;
  let freshest = 0;
  let idle = 0;
  let isStopped = false;

  const countOf = (what: string): ShownCount => {
    const none = () => ({ shownMs: [], clearMs: [], neverClear: 0 });
    const by = { 'ops.status': none(), '/readyz': none(), 'ops.lag': none(), 'ops.queues': none() };
    shown[what] ??= { times: 0, shown: 0, missed: 0, brief: 0, unseen: 0, by };
    return shown[what];
  };

  async function lookAtStatus(): Promise<void> {
    const readyz = readiness(world);
    const asked = Date.now();
    const [row] = await world.query<
      Pick<Observation, 'faults' | 'lag' | 'queues'> & { freshest: number; idle: number }
    >(`
      select (select s.faults from ops.status as s) as faults,
        (select jsonb_object_agg(l.step, l.seconds) from ops.lag as l) as lag,
        (select jsonb_object_agg(q.subscription, extract(epoch from now() - q.oldest_pending_at))
         from ops.queues as q) as queues,
        (select extract(epoch from max(v.bucket))::float8 * 1000 from indicator.values as v
         where v.bucket > now() - interval '1 minute') as freshest,
        (select coalesce(max(extract(epoch from now() - a.state_change)), 0)::float8
         from pg_stat_activity as a where a.state = 'idle in transaction'
           and a.datname = current_database() and a.application_name like 'foresight%') as idle`);
    if (row === undefined) return;
    const seen = { ...row, askedAt: asked, at: Date.now(), readyz: await readyz };
    observations.push(seen);
    if (observations.length > 600) observations.shift();
    for (const isClear of clearing) if (isClear(seen)) clearing.delete(isClear);
    // An answer that took long, or to an older question, is of another time.
    if (waits !== undefined && asked >= trueFrom && seen.at - asked < 3_000) {
      lookForUntruth(seen, waits());
    }
    freshest = Math.max(freshest, row.freshest);
    idle = Math.max(idle, row.idle);
  }

  const note = (what: string, at: number): void => {
    if (!untrue.has(what)) untrue.set(what, at);
  };

  function lookForUntruth({ at, faults }: Observation, waitMs: number): void {
    for (const fault of faults) {
      const cause = causes.find(([pattern]) => pattern.test(fault))?.[1];
      const isCaused = actions.some(
        ({ kind, endedAt }) => endedAt > at - causeMs && (cause === undefined || cause.test(kind)),
      );
      if (!isCaused) note(`ops.status named without a cause: ${fault}`, at);
    }
    longestWait = Math.max(longestWait, waitMs);
    const isLong = waitMs > longWaitMs;
    if (isLong && wasLong && faults.length === 0) {
      const seconds = (waitMs / 1_000).toFixed(1);
      note(`a subscriber had waited for ${seconds} s and ops.status was content`, at);
    }
    wasLong = isLong;
  }

  async function lookAtSizes(): Promise<void> {
    for (const [name, pid] of world.pids()) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const kb = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
      largest.memoryMb[name] = Math.max(largest.memoryMb[name] ?? 0, Math.round(kb / 1_024));
    }
    const tables = await world.query<{ name: string; mb: number }>(`
      select n.nspname || '.' || c.relname as name,
        -- A hypertable has its rows in its children.
        (pg_total_relation_size(c.oid) + (
          select coalesce(sum(pg_total_relation_size(i.inhrelid)), 0)
          from pg_inherits as i where i.inhparent = c.oid
        ))::float8 / 1048576 as mb
      from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
      where c.relkind = 'r' and (n.nspname = 'outbox' or n.nspname = 'indicator'
        or n.nspname = 'graphile_worker' and c.relname = '_private_jobs')`);
    for (const { name, mb } of tables) {
      largest.tableMb[name] = Math.max(largest.tableMb[name] ?? 0, Math.round(mb * 10) / 10);
    }
  }

  const running = (async () => {
    for (let round = 0; !isStopped; round++) {
      // A server that is away says nothing.
      await lookAtStatus().catch(() => undefined);
      if (round % 5 === 0) await lookAtSizes().catch(() => undefined);
      await sleep(1_000);
    }
  })();

  return {
    shown,
    missed,
    untrue: () => [...untrue].map(([what, at]) => `${what} (at ${new Date(at).toISOString()})`),
    largest,
    idleInTransactionSeconds: () => idle,
    longestWaitSeconds: () => longestWait / 1_000,
    acted(kind) {
      const action = { kind, endedAt: Infinity };
      actions.push(action);
      return () => {
        action.endedAt = Date.now();
      };
    },
    expectTruth(subscriber, acknowledgedSince) {
      trueFrom = Date.now();
      waits = () => Date.now() - acknowledgedSince(subscriber.newest());
    },
    endTruth() {
      waits = undefined;
    },
    expectShown(what, signs, held) {
      const count = countOf(what);
      count.times += 1;
      const { told, after, said } = judgeTelling(observations, signs, held);
      count[told] += 1;
      if (told === 'missed') {
        const since = new Date(held.from).toISOString();
        missed.push(`${what} at ${since}: ops.status said only "${said}"`);
      }
      for (const [view, ms] of after) {
        const own = count.by[view];
        own.shownMs.push(ms);
        clearing.add(seen => {
          if (seen.at > held.to + clearDeadlineMs) {
            own.neverClear += 1;
            return true;
          }
          if (shows(view, signs, seen) || (view === '/readyz' && seen.readyz === undefined))
            return false;
          own.clearMs.push(seen.at - held.to);
          return true;
        });
      }
    },
    async recovered(since, deadline) {
      const from = Date.now();
      while (Date.now() - from < deadline && !isStopped) {
        if (freshest > since) return Date.now() - since;
        await sleep(200);
      }
      return undefined;
    },
    async stop() {
      isStopped = true;
      await running;
    },
  };
}

/** What /readyz says; undefined when no page's process answers. */
export async function readiness({ webUrls }: World): Promise<string | undefined> {
  const signal = AbortSignal.timeout(3_000);
  const answers = webUrls.map(async url => (await fetch(`${url}/readyz`, { signal })).text());
  return Promise.any(answers).catch(() => undefined);
}
