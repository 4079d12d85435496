import type { Sql } from './runtime/database.ts';

export type Engine = 'postgres' | 'timescaledb';

/** One object of the database, or the functions of one name, as lines of SQL and comments. */
type Block = readonly string[];

interface Entry {
  /** With its schema. */
  readonly name: string;
  readonly lines: Block;
}

const header = `-- Every object of ours, in the words of the catalogue: what the migrations, the functions and the views amount to.
-- Written by npm run db:schema, compared by a test, never run. A line that ends with [postgres] or [timescaledb] is of
-- that engine alone. Of a function: the first sentence of its comment, its arguments and its result.`;

/** What a migrated database holds, as the text of db/schema.sql for its engine. */
export async function describeSchema(sql: Sql): Promise<string> {
  return render(await readBlocks(sql));
}

/** Both engines in one text: an object or a line that only one of them has is marked. */
export function mergeSchemas(postgres: string, timescaledb: string): string {
  const [plain, timescale] = [parse(postgres), parse(timescaledb)];
  const keys = mergeLists([...plain.keys()], [...timescale.keys()]);
  return render(
    keys.flatMap(({ value: key }) => {
      const [own, other] = [plain.get(key), timescale.get(key)];
      if (own !== undefined && other !== undefined && creation(own) === creation(other)) {
        return [mergeLists(own, other).map(line => line.value + mark(line.only))];
      }
      return [
        ...(own === undefined ? [] : [['-- [postgres]', ...own]]),
        ...(other === undefined ? [] : [['-- [timescaledb]', ...other]]),
      ];
    }),
  );
}

const mark = (engine: Engine | undefined): string => (engine ? ` -- [${engine}]` : '');

/** The line that names the object: a table of one engine may be a view of the other. */
const creation = (block: Block): string => block.find(line => line.startsWith('create ')) ?? '';

/** The part of a merged text that is of one engine: what {@link describeSchema} says there. */
export function schemaOf(engine: Engine, text: string): string {
  const foreign = `-- [${engine === 'postgres' ? 'timescaledb' : 'postgres'}]`;
  return render(
    [...blocksOf(text)]
      .filter(([first]) => first !== foreign)
      .map(block => block.filter(line => !line.endsWith(foreign) && line !== `-- [${engine}]`))
      .map(block => block.map(line => line.replace(/ -- \[\w+\]$/, ''))),
  );
}

function render(blocks: readonly Block[]): string {
  return `${[header, ...blocks.map(block => block.join('\n'))].join('\n\n')}\n`;
}

function blocksOf(text: string): Block[] {
  const [, ...blocks] = text.trimEnd().split('\n\n');
  return blocks.map(block => block.split('\n'));
}

/** By what is equal on both engines: the sort of object and its name. */
function parse(text: string): Map<string, Block> {
  return new Map(
    blocksOf(text).map(block => {
      const [, kind = '', name = ''] = /^create (\w+) ([\w.<>]+)/.exec(creation(block)) ?? [];
      return [`${{ view: 'table', procedure: 'function' }[kind] ?? kind} ${name}`, block];
    }),
  );
}

/** In the order of both, where they agree on one; a value that only one list has says which. */
function mergeLists(
  postgres: readonly string[],
  timescaledb: readonly string[],
): { value: string; only?: Engine }[] {
  const merged: { value: string; only?: Engine }[] = [];
  let next = 0;
  for (const value of postgres) {
    const found = timescaledb.indexOf(value, next);
    if (found < 0) {
      merged.push({ value, only: 'postgres' });
      continue;
    }
    for (const skipped of timescaledb.slice(next, found)) {
      merged.push({ value: skipped, only: 'timescaledb' });
    }
    merged.push({ value });
    next = found + 1;
  }
  return [
    ...merged,
    ...timescaledb.slice(next).map(value => ({ value, only: 'timescaledb' as const })),
  ];
}

/** Without the schemas of the server, of extensions and of the programs that bring their own. */
const ours =
  '^(?!pg_|information_schema|public$|migration$|graphile_worker$|_?timescaledb|toolkit)';

async function readBlocks(sql: Sql): Promise<Block[]> {
  const schemas = await sql<{ schema: string; comment: string | null; grants: string[] }[]>`
    select n.nspname as schema, obj_description(n.oid, 'pg_namespace') as comment,
      ${grants(sql, 'n.nspacl', 'n.nspowner')} as grants
    from pg_namespace as n where n.nspname ~ ${ours} order by n.oid`;
  const objects = [
    ...(await readTypes(sql)),
    ...(await readSequences(sql)),
    ...(await foldCandles(sql, await readTables(sql))),
    ...(await readFunctions(sql)),
  ];
  return schemas.flatMap(({ schema, comment, grants }) => [
    [...remark(comment), `create schema ${schema};`, ...grant(grants, `schema ${schema}`)],
    ...objects.filter(each => each.name.startsWith(`${schema}.`)).map(each => each.lines),
  ]);
}

/** What which roles may do, the owner left out. */
const grants = (sql: Sql, acl: string, owner: string) => sql`array(
  select g.privileges || ' on % to ' || string_agg(g.role, ', ' order by g.role)
  from (
    select string_agg(lower(a.privilege_type), ', ' order by a.privilege_type) as privileges,
      case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end as role
    from aclexplode(${sql(acl)}) as a where a.grantee <> ${sql(owner)} group by a.grantee
  ) as g
  group by g.privileges order by 1)`;

const grant = (grants: readonly string[], on: string): string[] =>
  grants.map(each => `grant ${each.replace('%', on)};`);

const remark = (comment: string | null, indent = ''): string[] =>
  comment === null ? [] : [`${indent}-- ${comment.replaceAll(/\s+/g, ' ')}`];

async function readTypes(sql: Sql): Promise<Entry[]> {
  const rows = await sql<{ name: string; comment: string | null; definition: string }[]>`
    select n.nspname || '.' || t.typname as name, obj_description(t.oid, 'pg_type') as comment,
      case t.typtype
        when 'e' then 'enum (' || (
          select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_enum as e where e.enumtypid = t.oid)
          || ')'
        when 'd' then concat_ws(' ', format_type(t.typbasetype, t.typtypmod), case when t.typnotnull then 'not null' end,
          'default ' || t.typdefault, (
            select string_agg(pg_get_constraintdef(o.oid, true), ' ' order by o.conname) from pg_constraint as o
            where o.contypid = t.oid and o.contype = 'c'))
        else '(' || (
          select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum)
          from pg_attribute as a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) || ')'
      end as definition
    from pg_type as t join pg_namespace as n on n.oid = t.typnamespace left join pg_class as c on c.oid = t.typrelid
    where n.nspname ~ ${ours} and (t.typtype in ('e', 'd', 'r') or c.relkind = 'c') order by n.nspname, t.typname`;
  return rows.map(({ name, comment, definition }) => ({
    name,
    lines: [...remark(comment), ...wrap(`create type ${name} as ${plain(definition)};`)],
  }));
}

async function readSequences(sql: Sql): Promise<Entry[]> {
  const rows = await sql<
    { name: string; comment: string | null; type: string; grants: string[] }[]
  >`
    select n.nspname || '.' || c.relname as name, obj_description(c.oid, 'pg_class') as comment,
      format_type(s.seqtypid, null) as type, ${grants(sql, 'c.relacl', 'c.relowner')} as grants
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace join pg_sequence as s on s.seqrelid = c.oid
    where n.nspname ~ ${ours}
      and not exists (select from pg_depend as d where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i'))
    order by n.nspname, c.relname`;
  return rows.map(({ name, comment, type, grants }) => ({
    name,
    lines: [
      ...remark(comment),
      `create sequence ${name} as ${type};`,
      ...grant(grants, `sequence ${name}`),
    ],
  }));
}

interface TableRow {
  name: string;
  is_view: boolean;
  comment: string | null;
  options: string[] | null;
  columns: { definition: string; comment: string | null }[];
  constraints: string[];
  indexes: string[];
  triggers: string[];
  grants: string[];
  column_grants: string[];
}

/** Tables and views, with all that hangs on them. */
async function readTables(sql: Sql): Promise<Entry[]> {
  const rows = await sql<TableRow[]>`
    select n.nspname || '.' || c.relname as name, c.relkind in ('v', 'm') as is_view,
      obj_description(c.oid, 'pg_class') as comment, c.reloptions as options,
      (
        select json_agg(json_build_object(
          'definition', concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
            case when a.attnotnull then 'not null' end,
            case
              when a.attidentity <> '' then 'generated ' || case a.attidentity when 'a' then 'always' else 'by default' end || ' as identity'
              when a.attgenerated <> '' then 'generated always as (' || pg_get_expr(d.adbin, d.adrelid, true) || ')'
              else 'default ' || pg_get_expr(d.adbin, d.adrelid, true)
            end),
          'comment', col_description(c.oid, a.attnum)) order by a.attnum)
        from pg_attribute as a left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      ) as columns,
      array(
        select 'constraint ' || quote_ident(o.conname) || ' ' || pg_get_constraintdef(o.oid, true)
        from pg_constraint as o where o.conrelid = c.oid and o.contype in ('p', 'u', 'f', 'c', 'x')
        order by position(o.contype::text in 'puxfc'), o.conname
      ) as constraints,
      array(
        select pg_get_indexdef(i.indexrelid) from pg_index as i join pg_class as x on x.oid = i.indexrelid
        where i.indrelid = c.oid and not exists (select from pg_constraint as o where o.conindid = i.indexrelid)
        order by x.relname
      ) as indexes,
      array(
        select pg_get_triggerdef(g.oid, true) from pg_trigger as g
        where g.tgrelid = c.oid and not g.tgisinternal and g.tgname !~ '^ts_' order by g.tgname
      ) as triggers,
      ${grants(sql, 'c.relacl', 'c.relowner')} as grants,
      array(
        select lower(p.privilege_type) || ' (' || string_agg(a.attname, ', ' order by a.attnum) || ') on % to '
          || case p.grantee when 0 then 'public' else pg_get_userbyid(p.grantee) end
        from pg_attribute as a, aclexplode(a.attacl) as p
        where a.attrelid = c.oid and p.grantee <> c.relowner group by p.privilege_type, p.grantee order by 1
      ) as column_grants
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname ~ ${ours} and c.relkind in ('r', 'p', 'v', 'm') order by n.nspname, c.relname`;
  const hypertables = await readHypertables(sql);
  return rows.map(row => ({
    name: row.name,
    lines: [...describeTable(row), ...(hypertables.get(row.name) ?? [])],
  }));
}

function describeTable(row: TableRow): string[] {
  const { name } = row;
  const members = [
    ...row.columns.map(({ definition, comment }) => ({ text: plain(definition), comment })),
    ...row.constraints.map(text => ({ text: plain(text), comment: null })),
  ];
  const last = members.length - 1;
  const options = row.options === null ? '' : ` with (${row.options.sort().join(', ')})`;
  return [
    ...remark(row.comment),
    `create ${row.is_view ? 'view' : 'table'} ${name} (`,
    ...members.flatMap(({ text, comment }, index) => [
      ...remark(comment, '  '),
      ...wrap(`  ${text}${index === last ? '' : ','}`),
    ]),
    `)${options};`,
    ...row.indexes.flatMap(text => wrap(`${plain(text).replace(' using btree', '')};`)),
    ...row.triggers.flatMap(text => wrap(`${plain(text)};`)),
    ...grant([...row.grants, ...row.column_grants], name),
  ];
}

/** What TimescaleDB makes of a table or a view, as remarks. */
async function readHypertables(sql: Sql): Promise<Map<string, string[]>> {
  const [row] = await sql<{ is_here: boolean }[]>`
    select exists (select from pg_extension where extname = 'timescaledb') as is_here`;
  if (!row?.is_here) return new Map();
  const rows = await sql<{ name: string; remark: string }[]>`
    select d.hypertable_schema || '.' || d.hypertable_name as name,
      concat_ws(', ', 'hypertable by ' || d.column_name, 'chunks of ' || d.time_interval,
        'columnstore by ' || s.segmentby, 'ordered by ' || s.orderby) as remark
    from timescaledb_information.dimensions as d
    left join timescaledb_information.hypertable_columnstore_settings as s
      on s.hypertable = format('%I.%I', d.hypertable_schema, d.hypertable_name)::regclass
    where d.hypertable_schema ~ ${ours}
    union all
    select a.view_schema || '.' || a.view_name,
      concat_ws(', ', 'continuous aggregate', case when a.materialized_only then 'materialised only' else 'real-time' end)
    from timescaledb_information.continuous_aggregates as a
    where a.view_schema ~ ${ours}`;
  return new Map(rows.map(({ name, remark }) => [name, [`-- ${remark}`]]));
}

/** The candles of all timeframes are alike: told once, another only where it is not. */
async function foldCandles(sql: Sql, tables: readonly Entry[]): Promise<Entry[]> {
  const timeframes = await sql<{ timeframe: string; width: string }[]>`
    select t.timeframe, t.width::text as width from feed.timeframes as t order by t.width`;
  const relations = ['feed.candles_', 'feed.stored_candles_'];
  const others = tables.filter(({ name }) => !relations.some(each => name.startsWith(each)));
  const candles = relations.flatMap(relation => {
    const folded = new Map<string, string[]>();
    for (const { timeframe, width } of timeframes) {
      const entry = tables.find(each => each.name === relation + timeframe);
      if (entry === undefined) continue;
      const text = entry.lines
        .join('\n')
        .replaceAll(`candles_${timeframe}`, 'candles_<timeframe>')
        .replaceAll(width, '<width>');
      folded.set(text, [...(folded.get(text) ?? []), timeframe]);
    }
    return [...folded].map(([text, of]) => ({
      name: `${relation}<timeframe>`,
      lines: [`-- For each timeframe: ${of.join(', ')}.`, ...text.split('\n')],
    }));
  });
  return [...others, ...candles].sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function readFunctions(sql: Sql): Promise<Entry[]> {
  const rows = await sql<
    {
      name: string;
      kind: string;
      arguments: string;
      result: string | null;
      is_definer: boolean;
      comment: string | null;
      grants: string[];
    }[]
  >`
    select n.nspname || '.' || p.proname as name, case p.prokind when 'p' then 'procedure' else 'function' end as kind,
      pg_get_function_arguments(p.oid) as arguments, pg_get_function_result(p.oid) as result,
      p.prosecdef as is_definer, obj_description(p.oid, 'pg_proc') as comment,
      ${grants(sql, 'p.proacl', 'p.proowner')} as grants
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where n.nspname ~ ${ours} order by n.nspname, p.proname, pg_get_function_arguments(p.oid) collate "C"`;
  const described = rows.map(row => ({
    name: row.name,
    lines: [
      ...remark(row.comment && firstSentence(row.comment)),
      ...wrap(
        [
          `create ${row.kind} ${row.name}(${plain(row.arguments)})`,
          ...(row.result === null ? [] : [`returns ${plain(row.result)}`]),
          ...(row.is_definer ? ['security definer'] : []),
        ]
          .join(' ')
          .concat(';'),
      ),
      ...grant(row.grants, `${row.kind} ${row.name}`),
    ],
  }));
  return [...Map.groupBy(described, each => each.name)].map(([name, all]) => ({
    name,
    lines: all.flatMap(each => each.lines),
  }));
}

const firstSentence = (text: string): string =>
  /^.*?[^.][.](?=\s+[A-Z]|\s*$)/s.exec(text)?.[0] ?? text;

/** The catalogue's words in the manner of our files: keywords in lower case, short names of types. */
function plain(text: string): string {
  return text
    .replaceAll(/('(?:[^']|'')*'|"[^"]*")|[A-Z]+/g, (word, quoted) => quoted ?? word.toLowerCase())
    .replaceAll(/('(?:[^']|'')*')::text\b(?!\[)/g, '$1')
    .replaceAll(/\bnull::[\w ]+(?:\[\])?(?=,|\)|$)/g, 'null')
    .replaceAll(/(?<=^|, )in (?=\w+ \w)/g, '')
    .replaceAll('timestamp with time zone', 'timestamptz')
    .replaceAll(/\binteger\b/g, 'int');
}

/** Where a line gets longer than a screen is wide. */
function wrap(line: string): string[] {
  const width = 118;
  const indent = `${/^ */.exec(line)?.[0] ?? ''}  `;
  const lines: string[] = [];
  let current = '';
  for (const piece of line.split(
    /(?<=,) | (?=(?:for each|execute|referencing|returns|and|or|check) )/,
  )) {
    const longer = current === '' ? piece : `${current} ${piece}`;
    if (current !== '' && longer.length > width) lines.push(current);
    current = current !== '' && longer.length > width ? indent + piece : longer;
  }
  return [...lines, current];
}
