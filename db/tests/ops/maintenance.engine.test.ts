import { beforeEach, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

describeOnEngine('Maintenance', ({ sql }) => {
  const feed = createFeed(sql);
  const noon = '2026-03-04T12:00:00Z';

  async function isDue(time = noon): Promise<boolean> {
    const [row] = await sql<[{ due: boolean }]>`
      select ops.is_maintenance_due(${time}::text::timestamptz) as due`;
    return row.due;
  }

  const begunAt = (time: string) =>
    sql`update ops.maintenance set begun_at = ${time}::text::timestamptz`;

  async function begin(): Promise<string | null> {
    const [row] = await sql<[{ revisions: string | null }]>`
      select ops.begin_maintenance() as revisions`;
    return row.revisions;
  }

  /** A whole run, some minutes before noon. */
  async function run(): Promise<void> {
    await begunAt('-infinity');
    await sql`select ops.end_maintenance(${await begin()}::bigint)`;
    await begunAt('2026-03-04T11:50:00Z');
  }

  beforeEach(async () => {
    await sql`delete from ops.processes`;
    await run();
    await run();
  });

  it('is not due while nothing happens', async () => {
    expect(await isDue()).toBe(false);
  });

  it('is begun once a minute, and due again when it did not reach its end', async () => {
    await begunAt('-infinity');
    expect(await begin()).toMatch(/^\d+$/);
    expect(await begin(), 'within the minute').toBeNull();
    await begunAt('2026-03-04T11:59:30Z');
    expect(await isDue(), 'within the minute').toBe(false);
    expect(await isDue('2026-03-04T12:00:31Z')).toBe(true);
    await run();
    expect(await isDue()).toBe(false);
  });

  it('is due after ticks, until a run has found nothing new', async () => {
    await feed.recordTicks('manual', [
      tickOf(await addInstrument(sql), at('10:00:00'), { bid: 1 }),
    ]);
    expect(await isDue()).toBe(true);
    await run();
    expect(await isDue(), 'after the first run').toBe(true);
    await run();
    expect(await isDue(), 'after the second').toBe(false);
  });

  it('is due after what changed while it ran', async () => {
    await begunAt('-infinity');
    const revisions = await begin();
    await feed.recordTicks('manual', [
      tickOf(await addInstrument(sql), at('10:00:00'), { bid: 1 }),
    ]);
    await sql`select ops.end_maintenance(${revisions}::bigint)`;
    await begunAt('2026-03-04T11:50:00Z');
    expect(await isDue()).toBe(true);
  });

  it('is due after an edit of feed.storage, not after what it writes there itself', async () => {
    await sql`update feed.storage set floor_at = '2020-01-01Z', dropped_to = '2020-01-01Z' where level = 'ticks'`;
    expect(await isDue()).toBe(false);
    await sql`update feed.storage set compress_after = '8 days' where level = 'ticks'`;
    expect(await isDue()).toBe(true);
  });

  it('is due while ticks that were given up are still there', async () => {
    await sql`update feed.storage set floor_at = '2020-01-02Z' where level = 'ticks'`;
    expect(await isDue()).toBe(true);
    await sql`update feed.storage set dropped_to = floor_at`;
    expect(await isDue()).toBe(false);
  });

  it('is due after an edit of indicator.retention, and while values that were given up are still there', async () => {
    await sql`update indicator.retention set floor_at = '2020-01-01Z', dropped_to = '2020-01-01Z'`;
    expect(await isDue()).toBe(false);
    await sql`update indicator.retention set floor_at = '2020-01-02Z'`;
    expect(await isDue()).toBe(true);
    await sql`update indicator.retention set dropped_to = floor_at`;
    expect(await isDue()).toBe(false);
    await sql`update indicator.retention set retain_for = '8 days'`;
    expect(await isDue()).toBe(true);
  });

  it('is due ten minutes after a new day began, once', async () => {
    expect(await isDue('2026-03-05T00:09:59Z')).toBe(false);
    expect(await isDue('2026-03-05T00:10:00Z')).toBe(true);
    await begunAt('2026-03-05T00:10:02Z');
    expect(await isDue('2026-03-05T12:00:00Z')).toBe(false);
  });

  it('is due after a process with workers died, until their jobs are free', async () => {
    await sql`select ops.beat('publish', 'there', 1, ${['worker-dead']}::text[])`;
    await sql`select ops.beat('web', 'there', 2)`;
    await sql`update ops.processes set seen_at = now()`;
    const isDueNow = async () => {
      await begunAt(new Date(Date.now() - 120_000).toISOString());
      return isDue(new Date().toISOString());
    };
    // Unless a day has just begun.
    const before = await isDueNow();
    await sql`update ops.processes set seen_at = now() - interval '20 seconds'`;
    expect(await isDueNow()).toBe(true);

    await sql`select graphile_worker.add_job('test_reaping')`;
    const lock = (age: string) =>
      sql`update graphile_worker._private_jobs set locked_by = 'worker-dead', locked_at = now() - ${age}::text::interval`;
    await lock('5 seconds');
    expect(await sql`select ops.reap_workers() as dead`).toEqual([{ dead: 0 }]);
    expect(await isDueNow(), 'its lock is too young').toBe(true);
    await lock('20 seconds');
    expect(await sql`select ops.reap_workers() as dead`).toEqual([{ dead: 1 }]);
    expect(await isDueNow()).toBe(before);
    await sql`delete from graphile_worker._private_jobs`;
  });
});
