import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeOnEngine } from '../../tests/support/database.ts';
import { schemas } from '../../tests/support/schemas.ts';

/** Must be inlined into the queries that call them, which a pinned search_path would prevent. */
const inlined = [
  'dashboard.freshness',
  'feed.bucket',
  'feed.sum_tolerance',
  'feed.tick_fault',
  'feed.tick_position',
  'feed.without_noise',
  'outbox.long_over',
];
/** End transactions, which a pinned search_path would forbid. */
const endingTransactions = [
  'feed.advance_candles',
  'feed.compress_level',
  'feed.drop_level',
  'feed.forget_level',
  'feed.refresh_candles',
  'feed.refresh_ranges',
  'feed.remove_instrument',
  'indicator.drop_values',
  'ops.apply_storage',
  'ops.reconcile',
  'ops.reconcile_yesterday',
  'outbox.refresh_late',
];

describeOnEngine('The schemas', ({ sql, engine }) => {
  async function functions() {
    return sql<
      {
        name: string;
        kind: string;
        is_pinned: boolean;
        is_public: boolean;
        is_immutable: boolean;
      }[]
    >`
      select n.nspname || '.' || p.proname as name, p.prokind::text as kind, p.provolatile = 'i' and not p.prosecdef as is_immutable,
        coalesce(array_to_string(p.proconfig, ' '), '') ~ 'search_path=pg_catalog, pg_temp' as is_pinned,
        has_function_privilege('public', p.oid, 'execute') as is_public
      from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
      where n.nspname = any (${schemas}) order by 1`;
  }

  it('hold exactly the functions and procedures that have a file of their name', async () => {
    const files = [
      ...objectsIn('functions'),
      ...objectsIn(`engine/${engine}/functions`, 'feed'),
      // Written by feed.define_roll_up for the timeframes there are.
      ...(engine === 'postgres' ? ['feed.roll_up'] : []),
    ];
    const names = new Set((await functions()).map(each => each.name));
    expect([...names]).toEqual(files.sort());
  });

  it('hold exactly the views that have a file of their name, and the candles', async () => {
    const rows = await sql<{ name: string }[]>`
      select n.nspname || '.' || c.relname as name from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
      where n.nspname = any (${schemas}) and c.relkind = 'v' and c.relname !~ '^(stored_)?candles_' order by 1`;
    expect(rows.map(row => row.name)).toEqual(objectsIn('views').sort());
  });

  it('say in a comment what each object is for', async () => {
    const rows = await sql<{ name: string }[]>`
      select 'schema ' || n.nspname as name from pg_namespace as n
      where n.nspname = any (${schemas}) and obj_description(n.oid, 'pg_namespace') is null
      union all
      select 'relation ' || c.oid::regclass from pg_class as c
      where c.relnamespace = any (${schemas}::regnamespace[]) and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and obj_description(c.oid, 'pg_class') is null
      union all
      select 'sequence ' || c.oid::regclass from pg_class as c
      where c.relnamespace = any (${schemas}::regnamespace[]) and c.relkind = 'S'
        and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'i')
        and obj_description(c.oid, 'pg_class') is null
      union all
      select 'function ' || p.oid::regprocedure from pg_proc as p
      where p.pronamespace = any (${schemas}::regnamespace[]) and obj_description(p.oid, 'pg_proc') is null
      union all
      select 'type ' || t.oid::regtype from pg_type as t left join pg_class as c on c.oid = t.typrelid
      where t.typnamespace = any (${schemas}::regnamespace[]) and t.typelem = 0
        and (t.typtype in ('e', 'd', 'r') or c.relkind = 'c') and obj_description(t.oid, 'pg_type') is null`;
    expect(rows.map(row => row.name)).toEqual([]);
  });

  it('pin the search path of every function, save those that must not', async () => {
    const unpinned = (await functions()).filter(each => !each.is_pinned).map(each => each.name);
    expect(unpinned).toEqual([...inlined, ...endingTransactions].sort());
  });

  it('leave the path open only in procedures and in functions that read no table', async () => {
    for (const { name, kind, is_immutable } of await functions()) {
      if (inlined.includes(name)) expect(is_immutable, name).toBe(true);
      if (endingTransactions.includes(name)) expect(kind, name).toBe('p');
    }
  });

  it('read candles by statements with a snapshot of their own', async () => {
    const rows = await sql<{ name: string }[]>`
      select n.nspname || '.' || p.proname as name
      from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
      where n.nspname = any (${schemas}) and p.prosrc ~ 'feed\\.(candles_|%(\\d\\$)?I)' and p.provolatile <> 'v'`;
    expect(rows).toEqual([]);
  });

  it('let nobody execute a function who was not given it', async () => {
    expect((await functions()).filter(each => each.is_public).map(each => each.name)).toEqual([]);
  });
});

/** The objects that the files below a folder of `db/` are named after, each the only name its file makes. */
function objectsIn(folder: string, onlySchema?: string): string[] {
  const root = fileURLToPath(new URL(`../${folder}/`, import.meta.url));
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.sql'))
    .map(file => {
      const [, schema = onlySchema, name] = /^(?:\d\d_(\w+)\/)?(\w+)\.sql$/.exec(file) ?? [];
      const made = [
        ...readFileSync(`${root}${file}`, 'utf8').matchAll(
          /^create or replace (?:function|procedure|view) ([\w.]+)/gm,
        ),
      ].map(match => match[1]);
      // What follows a line that begins with `create or replace` inside a text is written by that function.
      const names = new Set(made.filter(each => each !== 'feed.roll_up'));
      expect([...names], file).toEqual([`${schema}.${name}`]);
      return `${schema}.${name}`;
    });
}
