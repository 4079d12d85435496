import { beforeAll, beforeEach, expect, it } from 'vitest';
import { openPgPool } from '../db/runtime/database.ts';
import { createAlerts } from '../workers/alert/alert.ts';
import { createServiceStore } from '../workers/indicators/service.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { createOutbox } from '../workers/publish/outbox.ts';
import { addInstrument, capture, describeOnEngine, testLogger } from './support/database.ts';
import { addIndicator, registerCatalog, valuesFor } from './support/indicators.ts';
import { at, tickOf } from './support/ticks.ts';

describeOnEngine('A commit', ({ sql, url }) => {
  const feed = createFeed(sql);
  const outbox = createOutbox(sql);
  const service = createServiceStore(sql, 'classical');

  /** A trigger that is put off to the end of its transaction says whether that waits for the disk. */
  beforeAll(async () => {
    await registerCatalog(sql);
    await sql`create table public.commits (what text, waits boolean)`;
    await sql`grant insert on public.commits to public`;
    await sql.unsafe(`create function public.tg_note_commit() returns trigger language plpgsql as $$ begin
      insert into public.commits values (lower(tg_op) || ' ' || tg_relid::regclass, current_setting('synchronous_commit') <> 'off');
      return null; end $$`);
    const tables = ['outbox.changes', 'outbox.candles', 'outbox.deliveries', 'indicator.pending'];
    for (const table of [...tables, 'graphile_worker._private_jobs']) {
      await sql.unsafe(`create constraint trigger note_commit after insert or update or delete on ${table}
        deferrable initially deferred for each row execute function public.tg_note_commit()`);
    }
  });
  beforeEach(() => sql`delete from public.commits`);

  /** What was written since, with whether its commit waited. */
  async function commits(): Promise<string[]> {
    const rows = await sql<{ what: string; waits: boolean }[]>`
      with gone as (delete from public.commits returning *) select distinct what, waits from gone order by 1, 2`;
    return rows.map(({ what, waits }) => `${what} ${waits ? 'waits' : 'does not wait'}`);
  }

  it('waits for the disk with what is new, and not with what is only asked for again', async () => {
    const symbol = await addInstrument(sql);
    await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await commits();

    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    expect(await commits()).toEqual(['insert outbox.changes waits']);
    await capture(sql);
    expect(await commits()).toContain('insert outbox.candles waits');

    const deliveries = await outbox.claimDeliveries(100);
    expect(deliveries).toHaveLength(1);
    expect(Object.keys(deliveries[0] ?? {})).not.toContain('set_config');
    expect(await commits()).toEqual(['update outbox.deliveries does not wait']);
    await outbox.markSent(deliveries);
    expect(await commits()).toEqual(['delete outbox.deliveries does not wait']);

    // The message is deleted after it.
    expect(await service.acceptCandles(deliveries)).toBe(1);
    expect(await commits()).toEqual(['insert indicator.pending waits']);
    const works = await service.claimPending(100);
    expect(await commits()).toEqual(['update indicator.pending does not wait']);
    await service.recordValues(works.flatMap(work => valuesFor(work)));
    await service.finishPending(works.flatMap(work => work.workIds));
    expect(await commits()).toEqual(['delete indicator.pending does not wait']);
  });

  it.each([
    ['the publisher', () => outbox.nudge()],
    ['the publisher by ingest', () => feed.nudge()],
    ['a service', () => service.nudge()],
    ['alerts', () => createAlerts(sql).nudge()],
  ])('does not wait for the disk with a nudge of %s', async (_, nudge) => {
    await nudge();
    expect(await commits()).toEqual([
      expect.stringMatching(/^(insert|update) graphile_worker\._private_jobs does not wait$/),
    ]);
  });

  it('waits in the next statement of the same connection', async () => {
    await outbox.nudge();
    await sql`select outbox.nudge_publish()`;
    expect(await commits()).toContain('update graphile_worker._private_jobs waits');
  });

  it.each([
    [true, 'on'],
    [false, 'off'],
  ])('waits in a pool of its own as that says (%s)', async (flushes, expected) => {
    const pool = openPgPool({ url, process: 'test', logger: testLogger, flushes });
    try {
      const { rows } = await pool.query('show synchronous_commit');
      expect(rows).toEqual([{ synchronous_commit: expected }]);
    } finally {
      await pool.end();
    }
  });
});
