import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { World } from './world.ts';

/** What the system said of itself, once a second, and how large it was. */
export interface Health {
  /** Counts whether a fault that lasted was shown within the fifteen seconds in which it has to be. */
  expectShown(what: string, pattern: RegExp, since: number): void;
  /** Resolves when a price that is newer than `since` is an indicator value. */
  recovered(since: number, deadlineMs: number): Promise<number | undefined>;
  readonly shown: Record<string, ShownCount>;
  countOf(what: string): ShownCount;
  readonly missed: string[];
  readonly largest: { memoryMb: Record<string, number>; tableMb: Record<string, number> };
  /** Longest time that a session was idle in a transaction. */
  idleInTransactionSeconds(): number;
  stop(): Promise<void>;
}

interface ShownCount {
  shown: number;
  missed: number;
  /** Nobody could ask. */
  unseen: number;
}

interface Observation {
  readonly at: number;
  readonly faults: string;
}

const deadlineMs = 17_000;

export function watchHealth(world: World): Health {
  const observations: Observation[] = [];
  const largest: Health['largest'] = { memoryMb: {}, tableMb: {} };
  const shown: Health['shown'] = {};
  const missed: string[] = [];
  let freshest = 0;
  let idle = 0;
  let isStopped = false;

  const countOf = (what: string): ShownCount => {
    const count = shown[what] ?? { shown: 0, missed: 0, unseen: 0 };
    shown[what] = count;
    return count;
  };

  async function lookAtStatus(): Promise<void> {
    const [row] = await world.query<{ faults: string[]; freshest: number; idle: number }>(`
      select (select s.faults from ops.status as s) as faults,
        (select extract(epoch from max(v.bucket))::float8 * 1000 from indicator.values as v
         where v.bucket > now() - interval '1 minute') as freshest,
        (select coalesce(max(extract(epoch from now() - a.state_change)), 0)::float8
         from pg_stat_activity as a where a.state = 'idle in transaction'
           and a.datname = current_database() and a.application_name like 'foresight%') as idle`);
    observations.push({ at: Date.now(), faults: row?.faults.join('\n') ?? '' });
    if (observations.length > 600) observations.shift();
    freshest = Math.max(freshest, row?.freshest ?? 0);
    idle = Math.max(idle, row?.idle ?? 0);
  }

  async function lookAtSizes(): Promise<void> {
    for (const [name, pid] of world.pids()) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const kb = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
      largest.memoryMb[name] = Math.max(largest.memoryMb[name] ?? 0, Math.round(kb / 1_024));
    }
    const tables = await world.query<{ name: string; mb: number }>(`
      select n.nspname || '.' || c.relname as name,
        pg_total_relation_size(c.oid)::float8 / 1048576 as mb
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
    countOf,
    missed,
    largest,
    idleInTransactionSeconds: () => idle,
    expectShown(what, pattern, since) {
      const count = countOf(what);
      const until = since + deadlineMs;
      const during = observations.filter(({ at }) => at >= since && at <= until + 1_500);
      if (during.some(({ faults }) => pattern.test(faults))) count.shown += 1;
      else if (during.some(({ at }) => at >= since + 15_500)) {
        count.missed += 1;
        const said = during.at(-1)?.faults.replaceAll('\n', '; ');
        missed.push(`${what} at ${new Date(since).toISOString()}: ops.status said only "${said}"`);
      } else count.unseen += 1;
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
