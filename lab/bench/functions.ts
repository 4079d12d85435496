import type { Sql } from '../../db/runtime/database.ts';
import type { Figure } from './figures.ts';

interface Times {
  readonly calls: number;
  /** Milliseconds of all calls together, with what they call. */
  readonly total: number;
}

/** The steps of a tick's way, in order. On plain PostgreSQL outbox.refresh_late has nothing to do. */
const steps = [
  'feed.record_ticks',
  'outbox.refresh_late',
  'outbox.capture_deltas',
  'outbox.close_candles',
  'outbox.claim_deliveries',
  'outbox.mark_sent',
  'indicator.accept_candles',
  'indicator.claim_pending',
  'indicator.candles_since',
  'indicator.candle_windows',
  'indicator.record_values',
  'indicator.finish_pending',
];

const lateSteps = [
  'feed.record_ticks',
  'outbox.refresh_late',
  'outbox.capture_deltas',
  'outbox.claim_deliveries',
  'outbox.mark_sent',
];

/** So long after its work a connection has told all that its functions took. */
export const restingMs = 11_000;

/** Makes connections that are opened from now on time their functions; costs them very little. */
export async function timeFunctions(sql: Sql): Promise<void> {
  await sql`do $$ begin
    execute format('alter database %I set track_functions = ''all''', current_database());
  end $$`;
}

/**
 * What every function took so far. A connection that works tells it once a second, one that rests after
 * {@link restingMs}.
 */
export async function functionTimes(sql: Sql): Promise<Map<string, Times>> {
  const rows = await sql<{ name: string; calls: number; total: number }[]>`
    select f.schemaname || '.' || f.funcname as name, sum(f.calls)::float8 as calls,
      sum(f.total_time)::float8 as total
    from pg_stat_user_functions as f group by 1`;
  return new Map(rows.map(({ name, calls, total }) => [name, { calls, total }]));
}

/** Calls a second and mean milliseconds a call of each step, between two readings. */
export function functionFigures(
  part: string,
  before: ReadonlyMap<string, Times>,
  after: ReadonlyMap<string, Times>,
  seconds: number,
): Figure[] {
  return steps.flatMap(name => {
    const calls = (after.get(name)?.calls ?? 0) - (before.get(name)?.calls ?? 0);
    const total = (after.get(name)?.total ?? 0) - (before.get(name)?.total ?? 0);
    return [
      { part, name, unit: 'calls/s', value: calls / seconds },
      { part, name, unit: 'ms a call', value: total / calls },
    ];
  });
}

/** Seconds that each step of a late tick's way took in all, between two readings. */
export function lateFunctionFigures(
  part: string,
  name: string,
  before: ReadonlyMap<string, Times>,
  after: ReadonlyMap<string, Times>,
): Figure[] {
  return lateSteps.map(step => ({
    part,
    name: `${name}: ${step}`,
    unit: 's',
    value: ((after.get(step)?.total ?? 0) - (before.get(step)?.total ?? 0)) / 1_000,
  }));
}
