import type { Sql } from '../../db/runtime/database.ts';

/** One connection of its own, for what two transactions do to each other. */
export interface Session {
  readonly sql: Sql;
  readonly pid: number;
}

/** Hands out sessions, and gives them back without an open transaction whatever happens. */
export async function withSessions<Result>(
  sql: Sql,
  use: (first: Session, second: Session) => Promise<Result>,
): Promise<Result> {
  const opened = [await sql.reserve(), await sql.reserve()];
  const sessions: Session[] = [];
  try {
    for (const own of opened) {
      await own`set idle_in_transaction_session_timeout = 0`;
      const [row] = await own<{ pid: number }[]>`select pg_backend_pid() as pid`;
      sessions.push({ sql: own, pid: row?.pid ?? 0 });
    }
    const [first, second] = sessions;
    if (first === undefined || second === undefined) throw new Error('no sessions');
    return await use(first, second);
  } finally {
    // A failed test may leave one waiting for the other.
    for (const { pid } of sessions) await sql`select pg_cancel_backend(${pid})`;
    for (const own of opened) {
      await own`rollback`.catch(() => own`rollback`);
      own.release();
    }
  }
}

/** Resolves as soon as a session waits for a lock of another. */
export async function untilBlocked(sql: Sql, session: Session): Promise<void> {
  const giveUpAt = Date.now() + 60_000;
  for (;;) {
    const [row] = await sql<{ is_blocked: boolean }[]>`
      select cardinality(pg_blocking_pids(${session.pid})) > 0 as is_blocked`;
    if (row?.is_blocked === true) return;
    if (Date.now() > giveUpAt) throw new Error(`session ${session.pid} is not blocked`);
  }
}
