import { expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { quoteOfAge, subscribe } from '../../../tests/support/outbox.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

/** In the order of the data's way: what is said further down may be read, what comes after may not. */
const order = [
  'feed',
  'source',
  'outbox',
  'indicator',
  'rating',
  'track',
  'alert',
  'dashboard',
  'ops',
];

describeOnEngine('The faults of the schemas', ({ sql }) => {
  const status = async (): Promise<string[]> => {
    const [row] = await sql<{ faults: string[] }[]>`select faults from ops.status`;
    return row?.faults ?? [];
  };

  it('are told by a view each, of the same shape', async () => {
    const rows = await sql<{ name: string; columns: string }[]>`
      select c.oid::regclass::text as name,
        string_agg(a.attname || ' ' || format_type(a.atttypid, null), ', ' order by a.attnum) as columns
      from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
      where c.relname = 'faults' group by 1 order by 1`;
    expect(rows.map(row => row.name)).toEqual([
      'alert.faults',
      'feed.faults',
      'indicator.faults',
      'ops.faults',
      'outbox.faults',
    ]);
    for (const { name, columns } of rows)
      expect(columns, name).toBe('fault text, since timestamp with time zone');
  });

  it('of a schema that comes later are told without a change of what was there', async () => {
    await sql`create schema later`;
    await sql`create view later.faults as select 'the sky falls' as fault, now() as since`;
    expect(await status()).toContain('the sky falls');
    await sql`drop schema later cascade`;
    expect(await status()).not.toContain('the sky falls');
  });

  it('come from views that read nothing of a schema that is called later', async () => {
    const rows = await sql<{ view: string; reads: string }[]>`
      select distinct v.oid::regclass::text as view, coalesce(t.oid::regclass::text, p.oid::regproc::text) as reads
      from pg_class as v
      join pg_rewrite as r on r.ev_class = v.oid
      join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
      left join pg_class as t on d.refclassid = 'pg_class'::regclass and t.oid = d.refobjid
      left join pg_proc as p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
      join pg_namespace as vn on vn.oid = v.relnamespace
      join pg_namespace as rn on rn.oid = coalesce(t.relnamespace, p.pronamespace)
      where v.relkind = 'v' and vn.nspname = any (${order}) and rn.nspname = any (${order})
        and array_position(${order}, rn.nspname::text) > array_position(${order}, vn.nspname::text)`;
    expect([...rows]).toEqual([]);
  });

  it('say since when', async () => {
    const feed = createFeed(sql);
    const symbol = await addInstrument(sql, 'oanda');
    await feed.recordState('oanda', 'connected', null);
    await subscribe(sql, symbol);
    await feed.recordTicks('oanda', [await quoteOfAge(sql, symbol, '2 minutes', 1)]);
    await sql`update feed.source_states set alive_at = '2026-01-02Z' where source = 'oanda'`;
    await sql`update outbox.changes set marked_at = '2026-01-03Z'`;
    await sql`select ops.beat('web')`;
    await sql`update ops.processes set seen_at = '2026-01-04Z' where process = 'web'`;
    const rows = await sql<{ fault: string; since: string | null }[]>`
      select fault, to_char(since, 'YYYY-MM-DD') as since from ops.all_faults()`;
    const sinceOf = (fault: string) => rows.find(row => row.fault.startsWith(fault))?.since;
    expect(sinceOf('source oanda has been silent since 2026-01-02')).toBe('2026-01-02');
    expect(sinceOf('changes of 1 instruments have waited')).toBe('2026-01-03');
    expect(sinceOf('process web is not running')).toBe('2026-01-04');
    expect(sinceOf('process ingest is not running')).toBeNull();
    expect(await status()).toEqual(rows.map(row => row.fault).sort());
  });
});
