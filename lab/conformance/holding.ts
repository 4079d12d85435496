import pg from 'pg';
import type { Sql } from '../../db/runtime/database.ts';

/** To the one it adds when it notes what a message names, to the other when it stores values. */
export type HeldTable = 'indicator.pending' | 'indicator.values';

const heldTables: readonly HeldTable[] = ['indicator.pending', 'indicator.values'];
/** Of advisory locks: who prepares or captures, and with the hash of a login, who holds its additions to a table. */
const alone = 738_299;
const lockOf = (table: HeldTable): number => 738_300 + heldTables.indexOf(table);

/** A transaction of ours, which is undone when `use` does not commit it. */
export async function inTransaction<Result>(
  url: string,
  use: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('begin');
    return await use(client);
  } finally {
    await client.end();
  }
}

/** In one world of a database at a time. */
export const whileAlone = <Result>(url: string, use: () => Promise<Result>): Promise<Result> =>
  inTransaction(url, async client => {
    await client.query('select pg_advisory_xact_lock($1)', [alone]);
    return use();
  });

/** From now on what a login adds to these tables waits for who holds it; a lock of the table would stop claims too. */
export async function prepareHolding(sql: Sql): Promise<void> {
  await sql.unsafe(`
    select pg_advisory_xact_lock(${alone});
    do $prepare$ begin
      if to_regnamespace('conformance') is not null then
        return;
      end if;
      create schema conformance;
      create function conformance.wait() returns trigger language plpgsql as $$
      begin
        perform pg_advisory_xact_lock_shared(tg_argv[0]::int, hashtext(session_user));
        return null;
      end $$;
      ${heldTables
        .map(
          table => `create trigger conformance_wait before insert on ${table}
            for each statement execute function conformance.wait(${lockOf(table)});`,
        )
        .join('\n')}
    end $prepare$`);
}

/** Until the transaction ends, a login adds nothing to a table. */
export async function hold(client: pg.Client, table: HeldTable, login: string): Promise<void> {
  await client.query('select pg_advisory_xact_lock($1, hashtext($2))', [lockOf(table), login]);
}
