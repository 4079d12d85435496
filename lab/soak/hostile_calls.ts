import fc from 'fast-check';
import type pg from 'pg';
import {
  type Callable,
  callablesOfRole,
  callOf,
  type Known,
  refusals,
} from '../../tests/support/hostile_calls.ts';
import { inTransaction } from './operator.ts';
import type { Door, Outcome } from './trials.ts';
import type { Query, World } from './world.ts';

const roles = ['ingest', 'upkeep', 'publish', 'indicators', 'service', 'push', 'web'].map(
  name => `foresight_${name}`,
);

/**
 * Nobody waits for us for longer. Whoever waits for each other is told after a second: we are, before, so that it is
 * none of the processes that is ended.
 */
const limits = `
  set local statement_timeout = '2s'; set local lock_timeout = '300ms'; set local deadlock_timeout = '100ms'`;

export interface Call {
  readonly role: string;
  readonly statement: string;
}

/** Calls of every function under every role that may call it, each taken back: the oracle knows nothing of them. */
export async function doorOfCalls(
  world: Pick<World, 'directUrl' | 'query'>,
  known: Known,
): Promise<Door<Call>> {
  const calls: { role: string; callable: Callable }[] = [];
  for (const role of roles) {
    const callables = await world.query<Callable>(callablesOfRole, [role]);
    calls.push(...callables.map(callable => ({ role, callable })));
  }
  const inputs = fc
    .constantFrom(...calls)
    .chain(({ role, callable }) =>
      callOf(callable, known).map((statement): Call => ({ role, statement })),
    );
  return {
    name: 'SQL calls',
    draw(seed) {
      const [input] = fc.sample(inputs, { seed, numRuns: 1 });
      if (input === undefined) throw new Error('no input');
      return input;
    },
    attempt: call => attempt(world, call),
    write: ({ role, statement }) => `as ${role}: ${statement}`,
  };
}

/** What the functions find something by. */
export async function knownOf(query: Query): Promise<Known> {
  const texts = await query<{ text: string }>(`
    select i.symbol as text from feed.instruments as i
    union all select s.source from feed.sources as s
    union all select s.name from outbox.subscriptions as s
    union all select s.service from indicator.services as s order by 1`);
  const numbers = await query<{ number: number }>(`
    select number from (
      select i.instrument_id as number from feed.instruments as i
      union select s.subscription_id from outbox.subscriptions as s
      union select d.indicator_id from indicator.definitions as d
      union select r.last_value::int from outbox.revision as r
    ) as n order by 1`);
  return {
    texts: [
      ...texts.map(({ text }) => text),
      ...['ma_cross', 'rsi', '1s', '1m', '1d', 'bid', 'mid', 'last', 'connected', 'disconnected'],
      ...['publish', 'ingest', 'upkeep', 'indicators', 'web', 'conflict', 'no_price'],
    ],
    numbers: numbers.map(({ number }) => number),
    times: [new Date(Date.now() - 60_000).toISOString(), new Date().toISOString()],
  };
}

async function attempt(
  world: Pick<World, 'directUrl'>,
  { role, statement }: Call,
): Promise<Outcome> {
  let outcome: Outcome = { kind: 'no server' };
  try {
    await inTransaction(world, async client => {
      await client.query(`${limits}; set local role ${role}`);
      outcome = await call(client, statement);
    });
  } catch {
    // The server was away, or has gone meanwhile and took the transaction with it.
  }
  return outcome;
}

async function call(client: pg.Client, text: string): Promise<Outcome> {
  try {
    // Nobody reads what comes, and a client could stumble over a year that it does not know.
    await client.query({ text, types: { getTypeParser: () => (value: unknown) => value } });
    return { kind: 'done' };
  } catch (error) {
    const { code = '', message } = error as Error & { code?: string };
    if (!/^[0-9A-Z]{5}$/.test(code)) {
      return { kind: 'lost', suspicion: `the session was lost: ${message}` };
    }
    if (refusals.test(code)) return { kind: 'refused' };
    return code.startsWith('XX') ? { kind: code, suspicion: `${code} ${message}` } : { kind: code };
  }
}
