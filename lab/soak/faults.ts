import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteQueueCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import type { FaultProxy, ProxyFault } from '../../tests/support/proxy.ts';
import type { Random } from '../../tests/support/random.ts';
import { waitFor } from '../../tests/support/wait.ts';
import { holdersOf, type Role, type Roster } from '../harness/roster.ts';
import type { Action } from './actions.ts';
import { readiness } from './health.ts';
import { inTransaction, stubbornly } from './operator.ts';
import { hold } from './told.ts';
import type { Query, World } from './world.ts';

/** Deaths, pauses and bad networks. */
export function faultsOf({ roles }: Roster): Action[] {
  return [...roles.map(killOf), ...roles.map(freezeOf), ...faults];
}

/** In which step of `ops.lag` it shows that nobody has a role. */
const stepOf = ({ name, isService }: Role): string | undefined =>
  isService ? 'queue to indicator' : { publish: 'tick to delta' }[name];

function killOf(role: Role): Action {
  return {
    kind: `kill -9 ${role.name}`,
    weight: role.name === 'web' ? 2 : role.isService ? 5 : 7,
    group: `process ${role.name}`,
    isKill: true,
    isOutage: role.name !== 'web',
    run: async ({ world, random }) => {
      for (const pid of victims(world, role, random.chance(0.3), random)) kill(pid, 'SIGKILL');
    },
  };
}

function freezeOf(role: Role): Action {
  return {
    kind: `freeze ${role.name}`,
    weight: 1.5,
    group: `process ${role.name}`,
    isOutage: role.name !== 'web',
    run: async ({ world, random, health }) => {
      const isLong = random.chance(0.4);
      const pids = victims(world, role, random.chance(0.5), random);
      for (const pid of pids) kill(pid, 'SIGSTOP');
      try {
        const ms = isLong ? random.int(19_000, 25_000) : random.int(1_000, 6_000);
        // A process of several threads does not stand still at once; one may be dead by then.
        await waitFor('they stand still', () => pids.every(isFrozen)).catch(() => undefined);
        const held = await hold(
          ms,
          () => pids.length > 0 && pids.every(isFrozen),
          // What it said before comes in when the network goes on.
          async () => (world.postgresProxy.fault() === 'stall' ? undefined : 0),
        );
        // Another one that has the role goes on with the work.
        if (!isLong || pids.length < role.holders.length) return;
        const step = stepOf(role);
        const signs = { fault: new RegExp(`^${role.fault}`, 'm') };
        health.expectShown(
          `${role.name} frozen`,
          step === undefined ? signs : { ...signs, step },
          held,
        );
      } finally {
        for (const pid of pids) kill(pid, 'SIGCONT');
      }
    },
  };
}

/** The processes of all that have a role, or of one of them. */
function victims({ pids }: World, role: Role, isAll: boolean, random: Random): number[] {
  const one = random.pick(role.holders);
  const names = isAll ? role.holders : [one];
  return names.flatMap(name => pids().get(name) ?? []);
}

const faults: readonly Action[] = [
  {
    kind: 'terminate a session',
    weight: 10,
    group: 'session',
    isKill: true,
    isOutage: true,
    run: async ({ world, random }) => {
      const pids = await sessions(world);
      if (pids.length > 0)
        await world.query('select pg_terminate_backend($1)', [random.pick(pids)]);
    },
  },
  {
    kind: 'terminate every session of a process',
    weight: 2,
    group: 'session',
    isKill: true,
    isOutage: true,
    run: async ({ world, random }) => {
      await world.query(
        `select pg_terminate_backend(a.pid) from pg_stat_activity as a
         where a.datname = current_database() and a.application_name = $1`,
        [`foresight ${random.pick(['ingest', 'upkeep', 'publish', 'indicators', 'soak feeder'])}`],
      );
    },
  },
  {
    kind: 'kill -9 a session',
    weight: 1,
    group: 'server',
    isKill: true,
    isOutage: true,
    isPossible: ({ world }) => world.server.isOurs,
    run: async ({ world, random }) => {
      const pids = await sessions(world);
      // The server ends every session and recovers, as after a crash.
      if (pids.length > 0) kill(random.pick(pids), 'SIGKILL');
    },
  },
  {
    kind: 'kill -9 postgres',
    weight: 1,
    group: 'server',
    isKill: true,
    isOutage: true,
    isPossible: ({ world }) => world.server.isOurs,
    run: async ({ world, random, health }) => {
      await world.server.kill();
      try {
        const awayMs = random.int(100, 6_000);
        await sleep(awayMs);
        // The sessions of a dead server take a moment to see that it is dead.
        if (awayMs < 1_500) return;
        const said = await readiness(world);
        if (said === 'ready\n')
          health.missed.push('the database was away and /readyz said that all is well');
      } finally {
        await world.server.ensureRunning();
      }
    },
  },
  ...network('postgres', world => world.postgresProxy),
  ...network('sqs', world => world.sqsProxy),
  {
    kind: 'queue server restarted',
    weight: 1.5,
    group: 'queue server',
    isOutage: true,
    run: ({ world, random }) => restartQueueServer(world, random, false),
  },
  {
    kind: 'queue server lost its state',
    isHealing: true,
    weight: 0.7,
    group: 'queue server',
    isOutage: true,
    run: ({ world, random }) => restartQueueServer(world, random, true),
  },
  {
    kind: 'queue deleted',
    isHealing: true,
    weight: 1.2,
    group: 'queue',
    run: async ({ world, random, queues }) => {
      const services = await world.query<{ queue: string }>(
        'select queue from indicator.services order by service',
      );
      const QueueName = random.pick([...queues, ...services.map(each => each.queue)]);
      const { QueueUrl } = await world.queues.sqs.send(new GetQueueUrlCommand({ QueueName }));
      await world.queues.sqs.send(new DeleteQueueCommand({ QueueUrl }));
    },
  },
  {
    kind: 'queue refuses or hangs',
    weight: 1.5,
    group: 'queue',
    run: async ({ world, random, queues, health }) => {
      const [first = ''] = queues;
      const isLong = random.chance(0.5);
      const queue = isLong ? first : random.pick(queues);
      const fault = random.pick(['hang', 'refuse'] as const);
      world.queues.gate.set(queue, fault);
      try {
        const ms = isLong ? random.int(19_000, 23_000) : random.int(1_000, 6_000);
        const { gate } = world.queues;
        const held = await hold(
          ms,
          () => gate.faultOf(queue) === fault,
          async () => gate.keptSince(queue),
        );
        const signs = { fault: new RegExp(`subscription ${queue} |process publish is not`), queue };
        if (isLong) health.expectShown(`queue ${fault}s`, signs, held);
      } finally {
        world.queues.gate.set(queue, undefined);
      }
    },
  },
  {
    kind: 'messages refused for good',
    weight: 0.7,
    group: 'queue',
    run: async ({ world, random, queues, health }) => {
      const queue = random.pick(queues);
      world.queues.gate.set(queue, 'reject');
      try {
        await sleep(random.int(3_000, 17_000));
        // A publisher that was killed meanwhile has sent nothing. What is there, nobody but us takes away.
        const [letters] = await world.query<{ count: number }>(
          'select count(*)::int as count from outbox.dead_letters',
        );
        if (letters !== undefined && letters.count > 0) {
          const held = await hold(4_000, () => true);
          const signs = { fault: /dead_letters/, withinMs: 1_500 };
          health.expectShown('messages refused for good', signs, held);
        }
      } finally {
        world.queues.gate.set(queue, undefined);
        // What is on its way is refused too, on a busy machine for some seconds.
        for (let look = 0; look < 8; look++) {
          await sleep(1_000);
          await stubbornly(() => world.query('select ops.redrive(null)'));
        }
      }
    },
  },
  {
    kind: 'queue server down for long',
    weight: 0.5,
    group: 'queue server',
    isOutage: true,
    run: async ({ world, random, queues: [queue = ''], health }) => {
      await world.queues.stop();
      try {
        const held = await hold(
          random.int(19_000, 23_000),
          () => !world.queues.isRunning(),
          () => oldestDelivery(world.query, queue),
        );
        const fault = /subscription soak-all |process publish is not/;
        health.expectShown('queue server down', { fault, queue }, held);
      } finally {
        await world.queues.start();
      }
    },
  },
  {
    kind: 'postgres out of reach for long',
    weight: 0.5,
    group: 'network postgres',
    isOutage: true,
    run: async ({ world, random, health }) => {
      const fault = random.pick(['refuse', 'swallow'] as const);
      const { postgresProxy } = world;
      postgresProxy.set(fault);
      if (fault === 'refuse') postgresProxy.reset();
      try {
        const held = await hold(random.int(19_000, 23_000), () => postgresProxy.fault() === fault);
        const signs = { fault: /^(process|service) \w+ is not running/m };
        health.expectShown(`postgres out of reach (${fault})`, signs, held);
      } finally {
        postgresProxy.set(undefined);
        // What was swallowed is missing for ever.
        postgresProxy.reset();
      }
    },
  },
  {
    kind: 'captures wait for a lock',
    weight: 0.5,
    group: 'lock',
    isOutage: true,
    run: ({ world, random, health }) =>
      inTransaction(world, async (client, isOpen) => {
        await client.query(`set local lock_timeout = '5s'`);
        await client.query(`select pg_advisory_xact_lock(hashtext('outbox.capture_deltas'))`);
        // A server that dies takes the session with it, and the lock.
        const held = await hold(random.int(19_000, 23_000), isOpen, () =>
          oldestChange(world.query),
        );
        const signs = { fault: /^changes of |process publish is not/m, step: 'tick to delta' };
        health.expectShown('captures wait', signs, held);
      }),
  },
  {
    kind: 'price source silent for long',
    weight: 0.7,
    group: 'stream',
    run: async ({ world, random, health }) => {
      const { oanda, pids, roster } = world;
      const listeners = (): string =>
        holdersOf(roster, 'ingest')
          .map(name => pids().get(name))
          .join();
      const before = listeners();
      oanda.goSilent(true);
      try {
        // One that was started again has listened for a shorter time.
        const held = await hold(
          random.int(19_000, 23_000),
          () => listeners() === before,
          silence(world.query, 'oanda'),
        );
        const signs = { fault: /source oanda |process ingest is not/ };
        health.expectShown('source silent', signs, held);
      } finally {
        oanda.goSilent(false);
      }
    },
  },
  {
    kind: 'price stream broken',
    weight: 2,
    group: 'stream',
    run: async ({ world: { oanda }, random }) => {
      switch (random.int(0, 5)) {
        case 0:
          return oanda.cutAll('{"type":"PRICE","instr');
        case 1:
          return oanda.endAll();
        case 2:
          return oanda.badJson();
        case 3:
          return oanda.hugeLine(100_000);
        case 4:
          oanda.refuseNext(2, 503);
          return oanda.cutAll();
        default:
          oanda.goSilent(true);
          await sleep(random.int(2_000, 13_000));
          return oanda.goSilent(false);
      }
    },
  },
];

function network(name: string, proxyOf: (world: World) => FaultProxy): Action[] {
  const group = `network ${name}`;
  const during = (fault: ProxyFault, weight: number, longestMs: number): Action => ({
    kind: `${name} ${fault}`,
    weight,
    group,
    isOutage: true,
    run: async ({ world, random }) => {
      proxyOf(world).set(fault);
      try {
        await sleep(random.int(200, longestMs));
      } finally {
        proxyOf(world).set(undefined);
      }
    },
  });
  return [
    {
      kind: `${name} reset`,
      weight: 2,
      group,
      isOutage: true,
      run: async ({ world }) => proxyOf(world).reset(),
    },
    {
      kind: `${name} half-open`,
      weight: 0.4,
      group,
      isOutage: true,
      run: async ({ world }) => proxyOf(world).halfOpen(),
    },
    during('refuse', 1, 4_000),
    during('stall', 1, 8_000),
    during('swallow', 0.4, 3_000),
    during('delay', 1, 6_000),
    during('cut', 1, 300),
  ];
}

async function restartQueueServer(world: World, random: Random, losesState: boolean) {
  await world.queues.stop();
  try {
    await sleep(random.int(200, 5_000));
  } finally {
    await world.queues.start({ losesState });
  }
}

/** Since when the oldest change waits to be captured; undefined: none does. */
export const oldestChange = (query: Query): Promise<number | undefined> =>
  oldestOf(query, 'select min(marked_at) as since from outbox.changes');

/** Since when the oldest delivery of a subscription could be sent; undefined: none waits. */
export const oldestDelivery = (query: Query, subscription: string): Promise<number | undefined> =>
  oldestOf(
    query,
    `select min(greatest(d.changed_at, d.due_at)) as since
     from outbox.deliveries as d join outbox.subscriptions as s using (subscription_id)
     where s.name = $1 and d.due_at <= now()`,
    subscription,
  );

async function oldestOf(query: Query, text: string, ...values: string[]) {
  const [row] = await query<{ ms: number | null }>(
    `select extract(epoch from o.since)::float8 * 1000 as ms from (${text}) as o`,
    values,
  );
  return row?.ms ?? undefined;
}

/** For `hold`: nothing to be told while prices still come in that were heard before. */
export function silence(query: Query, source: string): () => Promise<number | undefined> {
  let stored: string | undefined;
  return async () => {
    const [row] = await query<{ at: string }>(
      `select max(n.received_at)::text as at
       from feed.newest_ticks as n join feed.instruments as i using (instrument_id) where i.source = $1`,
      [source],
    );
    const isQuiet = row?.at === stored;
    stored = row?.at;
    return isQuiet ? 0 : undefined;
  };
}

async function sessions(world: World): Promise<number[]> {
  const rows = await world.query<{ pid: number }>(`
    select a.pid from pg_stat_activity as a
    where a.datname = current_database() and a.application_name like 'foresight%'
      and a.backend_type = 'client backend' order by a.backend_start`);
  return rows.map(({ pid }) => pid);
}

export function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  // 0 and below are groups of processes.
  if (pid === undefined || pid <= 0) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

/** Stopped: one that was killed meanwhile is not. */
function isFrozen(pid: number): boolean {
  try {
    return /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
