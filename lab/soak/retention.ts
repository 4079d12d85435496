import { waitFor } from '../../tests/support/wait.ts';
import type { Action } from './actions.ts';
import type { Comparison } from './ledger.ts';
import type { Query, World } from './world.ts';

/** Has ticks of days that are given up one after the other while everything runs, and gets no new ones. */
export const oldSymbol = 'ZZ.OLD';

/** Two hundred ticks a day, from twenty days ago to eight; their candles are final before anything breaks. */
export async function addOldTicks(world: World): Promise<void> {
  await world.query(`select feed.register_source('replay', false)`);
  await world.query(`select feed.add_instrument($1, 'replay')`, [oldSymbol]);
  await world.query(
    `insert into feed.ticks (instrument_id, observed_at, bid, ask)
     select feed.instrument_id($1), date_trunc('day', now()) - make_interval(days => day) + n * interval '421 seconds',
       1 + n / 1000.0, 1.001 + n / 1000.0
     from generate_series(8, 20) as day, generate_series(1, 200) as n`,
    [oldSymbol],
  );
  await world.query(
    `select indicator.remove(d.indicator_id) from indicator.definitions as d
     where d.instrument_id = feed.instrument_id($1)`,
    [oldSymbol],
  );
  // Upkeep runs already, and two cannot store the same candles at once. A refresh of its that goes on after
  // ours may add up the last bits of sums in another order.
  const areStored = async () => {
    await world.query('call feed.advance_candles()');
    await world.query('call outbox.refresh_late()');
    await world.query('select outbox.capture_deltas(100000)');
    const [row] = await world.query<{ are_stored: boolean }>(
      `select feed.is_stored_until(date_trunc('day', now()) - interval '7 days')
         and not exists (select from outbox.changes where minute < now() - interval '7 days')
         and not exists (select from pg_stat_activity where state <> 'idle' and query = 'call outbox.refresh_late()') as are_stored`,
    );
    return row?.are_stored === true;
  };
  // One try may take as long as upkeep's.
  await waitFor('the old ticks are in the candles', areStored, { deadlineMs: 180_000 });
  await world.query('create table public.soak_old (timeframe text, candle text)');
  for (const timeframe of await timeframesOf(world.query)) {
    await world.query(`insert into public.soak_old ${candlesOf(timeframe)}`);
  }
}

const timeframesOf = async (query: Query): Promise<string[]> => {
  const rows = await query<{ timeframe: string }>(
    `select timeframe from feed.timeframes where timeframe not in ('30s', '2h')`,
  );
  return rows.map(row => row.timeframe);
};

const candlesOf = (timeframe: string): string =>
  `select '${timeframe}', c::text from feed.candles_${timeframe} as c
   where c.instrument_id = feed.instrument_id('${oldSymbol}')`;

/** Gives up another day or two, and compresses what late ticks still come into. */
export const giveUpTicks: Action = {
  kind: 'ticks given up, storage applied',
  weight: 1,
  group: 'refresh',
  run: async ({ world, random }) => {
    await world.query(
      `update feed.storage set compress_after = '1 day',
         retain_for = case when level = 'ticks' then
           greatest(interval '9 days', coalesce(retain_for, interval '20 days') - make_interval(days => $1)) end
       where level in ('ticks', '1s', '1m')`,
      [random.int(0, 2)],
    );
    await world.query('call ops.apply_storage()');
  },
};

/** Candles with their ticks: what differs counts at the end. */
export const reconcile: Action = {
  kind: 'reconciled',
  weight: 1,
  group: 'refresh',
  run: ({ world }) => world.query(`call ops.reconcile(now() - interval '2 days', now())`),
};

/** The candles of the days that were given up are what they were, and no reconciliation found a difference. */
export async function compareOld(query: Query): Promise<Comparison> {
  const differences: string[] = [];
  let candles = 0;
  for (const timeframe of await timeframesOf(query)) {
    const [row] = await query<{ count: number; changed: number }>(
      `select (select count(*)::int from public.soak_old where timeframe = $1) as count,
         (select count(*)::int from (
           (select o.candle from public.soak_old as o where o.timeframe = $1 except select n.c from (${candlesOf(timeframe)}) as n(timeframe, c))
           union all
           (select n.c from (${candlesOf(timeframe)}) as n(timeframe, c) except select o.candle from public.soak_old as o where o.timeframe = $1)
         ) as x) as changed`,
      [timeframe],
    );
    candles += row?.count ?? 0;
    if (row?.changed !== 0) {
      const samples = await query<{ was: string | null; is: string | null }>(
        `select was.candle as was, n.c as is
         from (select * from public.soak_old where timeframe = $1) as was
         full join (${candlesOf(timeframe)}) as n(timeframe, c)
           on split_part(n.c, ',', 2) = split_part(was.candle, ',', 2)
         where was.candle is distinct from n.c limit 2`,
        [timeframe],
      );
      differences.push(
        `${row?.changed} old candles of ${timeframe} changed, such as ${JSON.stringify(samples)}`,
      );
    }
  }
  const [ticks] = await query<{ left: number; due: number }>(
    `select count(*)::int as left, count(*) filter (where observed_at < s.dropped_to)::int as due
     from feed.storage as s left join feed.ticks as t on t.instrument_id = feed.instrument_id($1)
     where s.level = 'ticks' group by s.dropped_to`,
    [oldSymbol],
  );
  if (ticks?.due !== 0) differences.push(`${ticks?.due} ticks that were given up are still there`);
  const found = await query<{ day: string; different: number; samples: unknown }>(
    `select from_time::text as day, different::int, samples from ops.reconciliations where different > 0`,
  );
  for (const { day, different, samples } of found) {
    differences.push(
      `${different} candles of ${day} were not their ticks: ${JSON.stringify(samples)}`,
    );
  }
  return { compared: { 'old candles': candles, 'old ticks left': ticks?.left ?? 0 }, differences };
}
