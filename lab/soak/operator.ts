import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { migrate } from '../../db/migrate.ts';
import { testLogger } from '../../tests/support/database.ts';
import type { Action } from './actions.ts';
import { giveUpTicks, reconcile } from './retention.ts';
import type { World } from './world.ts';

/** Timeframes that come and go. */
export const extraTimeframes = ['30s', '2h'] as const;
/** Whether a definition is one of those that come and go. */
export const comesAndGoes = (definition: string): string =>
  `((${definition}.params ->> 'slow' = '13' or ${definition}.params ->> 'period' = '13') is true)`;
/** Those of which one is recomputed now and then: the oldest, which stay. */
export const firstIndicators = `array(
  select f.indicator_id from indicator.definitions as f order by f.indicator_id limit 6)`;
/** The subscription that is paused now and then. */
export const pausedSubscription = 'soak-closed';

/** What somebody does in psql while everything runs. */
export const operator: readonly Action[] = [
  {
    kind: 'refresh_candles',
    weight: 2,
    group: 'refresh',
    run: ({ world, random }) => {
      const from = 10 ** (random.next() * 5.4);
      const to = from * random.next();
      return world.query(
        `call feed.refresh_candles(now() - interval '${from} seconds', now() - interval '${to} seconds', ${random.chance(0.7)})`,
      );
    },
  },
  {
    kind: 'advance_candles',
    weight: 1,
    group: 'refresh',
    run: ({ world }) => world.query('call feed.advance_candles()'),
  },
  {
    kind: 'migrate',
    weight: 0.5,
    group: 'schema',
    run: ({ world }) => migrate({ url: world.directUrl, logger: testLogger }),
  },
  {
    kind: 'timeframe added or removed',
    weight: 0.8,
    group: 'schema',
    isPossible: () => true,
    run: async ({ world, random }) => {
      const timeframe = random.pick(extraTimeframes);
      const [row] = await world.query<{ exists: boolean }>(
        'select exists (select from feed.timeframes where timeframe = $1)',
        [timeframe],
      );
      const name = row?.exists ? 'remove_timeframe' : 'add_timeframe';
      await world.query(`select feed.${name}($1)`, [timeframe]);
    },
  },
  {
    kind: 'subscription comes and goes',
    weight: 1.5,
    group: 'subscription',
    run: async ({ world, random }) => {
      const name = `soak-extra-${random.int(1, 3)}`;
      const [row] = await world.query<{ exists: boolean }>(
        'select exists (select from outbox.subscriptions where name = $1)',
        [name],
      );
      if (row?.exists) await world.query('select outbox.unsubscribe($1)', [name]);
      else {
        await world.query(
          `select outbox.subscribe($1, $1, timeframe => $2, forming_every => '2 seconds',
             from_time => case when $3 then now() - interval '1 hour' end)`,
          [name, random.pick(['1s', '1m', '1h']), random.chance(0.5)],
        );
      }
    },
  },
  {
    kind: 'subscription paused',
    weight: 1,
    group: 'subscription',
    run: async ({ world, random }) => {
      await world.query('select outbox.pause($1)', [pausedSubscription]);
      await sleep(random.int(500, 8_000));
      await stubbornly(() => world.query('select outbox.resume($1)', [pausedSubscription]));
    },
  },
  {
    kind: 'republish',
    isHealing: true,
    weight: 0.5,
    group: 'subscription',
    run: async ({ world, random }) => {
      const services = await world.query<{ name: string }>(
        'select indicator.subscription_of(service) as name from indicator.services order by service',
      );
      const names = ['soak-all', pausedSubscription, ...services.map(({ name }) => name)];
      await world.query(`select ops.republish($1, now() - interval '10 minutes')`, [
        random.pick(names),
      ]);
    },
  },
  {
    kind: 'indicator comes and goes',
    weight: 1.5,
    group: 'indicator',
    run: async ({ world, random }) => {
      const [found] = await world.query<{ id: number }>(
        `select d.indicator_id as id from indicator.definitions as d
         where ${comesAndGoes('d')} order by d.indicator_id limit 1`,
      );
      if (found !== undefined && random.chance(0.5)) {
        await world.query('select indicator.remove($1)', [found.id]);
        return;
      }
      const { kind, params } = random.pick([
        { kind: 'ma_cross', params: { fast: random.int(2, 9), slow: 13 } },
        { kind: 'rsi', params: { period: 13 } },
        { kind: 'drift', params: { period: 13, horizon: random.int(1, 20) } },
      ]);
      await world.query(
        `select indicator.add(i.symbol, $2, $3, $4::jsonb, $5)
         from feed.instruments as i order by i.symbol offset $1 limit 1`,
        [
          random.int(0, 4),
          random.pick(['1s', '1m', '5m']),
          kind,
          JSON.stringify(params),
          random.pick(['bid', 'mid', 'last']),
        ],
      );
    },
  },
  {
    kind: 'recompute',
    isHealing: true,
    weight: 0.5,
    group: 'indicator',
    run: ({ world, random }) =>
      world.query(`select ops.recompute((${firstIndicators})[$1::int])`, [random.int(1, 6)]),
  },
  {
    kind: 'lock held',
    weight: 1.5,
    group: 'lock',
    isOutage: true,
    run: async ({ world, random }) => {
      const table = random.pick([
        'feed.ticks',
        'feed.instruments',
        'outbox.changes',
        'outbox.candles',
        'outbox.deliveries',
        'indicator.pending',
        'indicator.values',
      ]);
      await inTransaction(world, async client => {
        await client.query(`set local lock_timeout = '5s'`);
        await client.query(`lock table ${table} in access exclusive mode`);
        await sleep(random.int(300, 2_000));
      });
    },
  },
  {
    kind: 'snapshot held',
    weight: 1,
    group: 'snapshot',
    run: ({ world, random }) =>
      inTransaction(world, async client => {
        await client.query('set transaction isolation level repeatable read');
        await client.query('select count(*) from feed.ticks');
        await sleep(random.int(3_000, 15_000));
      }),
  },
  giveUpTicks,
  reconcile,
];

/** Whatever is done in it is undone; it may hold locks, until its session is lost. */
export async function inTransaction(
  world: Pick<World, 'directUrl'>,
  use: (client: pg.Client, isOpen: () => boolean) => Promise<void>,
) {
  const client = new pg.Client({
    connectionString: world.directUrl,
    application_name: 'soak transaction',
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
  });
  let isOpen = true;
  for (const event of ['error', 'end'] as const) {
    client.on(event, () => {
      isOpen = false;
    });
  }
  await client.connect();
  try {
    await client.query('begin');
    await use(client, () => isOpen);
    await client.query('rollback');
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Until it works: what was switched off has to come on again. */
export async function stubbornly<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= 60) throw error;
      await sleep(500);
    }
  }
}
