import { expect, it } from 'vitest';
import { describeOnEngine } from '../../tests/support/database.ts';
import { waitFor } from '../../tests/support/wait.ts';
import { inTransaction } from './operator.ts';
import { type Held, hold } from './told.ts';

describeOnEngine('A lock that the soak holds', database => {
  const lockFor = async (ms: number, meanwhile: (pid: number) => Promise<unknown>) => {
    let held: Held | undefined;
    const transaction = inTransaction({ directUrl: database.url }, async (client, isOpen) => {
      const { rows } = await client.query(
        'select pg_backend_pid() as pid, pg_advisory_xact_lock(4711)',
      );
      [held] = await Promise.all([hold(ms, isOpen), meanwhile(rows[0]?.pid)]);
    });
    // A session that is lost has no transaction to end.
    await transaction.catch(() => undefined);
    return held;
  };

  it('holds until it is given back', async () => {
    const held = await lockFor(500, async () => undefined);
    expect((held?.to ?? 0) - (held?.from ?? 0)).toBeGreaterThanOrEqual(500);
  });

  it('has ended when its session was lost', async () => {
    const held = await lockFor(60_000, pid => database.sql`select pg_terminate_backend(${pid})`);
    expect((held?.to ?? Infinity) - (held?.from ?? 0)).toBeLessThan(10_000);
    await waitFor('the lock is free', async () => {
      const [row] = await database.sql<{ is_free: boolean }[]>`
        select pg_try_advisory_xact_lock(4711) as is_free`;
      return row?.is_free === true;
    });
  });
});
