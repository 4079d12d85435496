import type { TransactionSql } from 'postgres';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Sql } from '../../../db/runtime/database.ts';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { addIndicator } from '../../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { waitFor } from '../../../tests/support/wait.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

/** What no function may do, wherever it runs; `{owner}` is the owner, `{backend}` a session of his. */
const forbidden = [
  ...['set role none', 'reset role', 'set role {owner}', 'set role foresight_indicators'],
  ...['reset session authorization', 'set session authorization {owner}', 'set local role none'],
  ...["select set_config('role', 'none', false)", "select set_config('role', '{owner}', true)"],
  "select set_config('session_authorization', '{owner}', false)",
  ...['grant foresight_web to foresight_sandbox', 'alter role foresight_sandbox superuser'],
  ...['create role mine', "alter role {owner} password 'stolen'", 'drop role foresight_web'],
  ...['select * from feed.ticks', 'select count(*) from indicator.values', 'table alert.secrets'],
  ...['select * from ops.status', 'select * from dashboard.watchlist()', 'table feed.candles_1m'],
  ...['select * from indicator.sql_kinds', "select indicator.sql_kind_functions('{}')"],
  ...['select * from pg_authid', 'select * from pg_user_mapping', 'table pg_statistic'],
  "select feed.add_instrument('MINE', 'manual')",
  "select indicator.add('MINE', '1m', 'ma_cross')",
  "select indicator.register_service('mine')",
  "select indicator.record_values('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
  ...["select graphile_worker.add_job('mine')", 'select outbox.nudge()'],
  ...["select nextval('outbox.revision')", "select setval('indicator.work_id', 1)"],
  ...['delete from indicator.values', 'truncate feed.ticks', 'drop schema feed cascade'],
  ...['create table feed.mine ()', 'create schema mine_too', 'create table mine.kept ()'],
  ...['lock table feed.ticks', 'lock table feed.ticks in access share mode'],
  ...['drop function mine.does', 'alter function mine.does security definer'],
  'create or replace function mine.run(text) returns void language sql as $$ select 1 $$',
  'drop function indicator.define_sql_kind',
  ...[
    "select pg_read_file('PG_VERSION')",
    "select pg_ls_dir('.')",
    "select lo_import('/etc/passwd')",
  ],
  ...["copy (select 1) to program 'true'", "copy (select 1) to '/tmp/foresight-test-file'"],
  ...["load '/tmp/mine.so'", 'select pg_reload_conf()', "select pg_create_restore_point('x')"],
  ...['select pg_terminate_backend({backend})', 'select pg_cancel_backend({backend})'],
  ...['select pg_terminate_backend(pg_backend_pid())', 'select pg_switch_wal()', 'checkpoint'],
  ...['set session_replication_role = replica', "set log_statement = 'none'"],
];

/** A right that is missing, what no function may do at all, and what one with the rights of its owner may not. */
const refusals = /\((42501|0A000)\)$/;

describeOnEngine('A SQL function as a kind', ({ sql, as }) => {
  const worker = as('foresight_indicators');

  beforeAll(async () => {
    await sql`create schema mine`;
    await create('last', 'candles[cardinality(candles)].close');
  });

  /** Of one output; checked when it is called, as one of a language without checks would be. */
  const create = (name: string, output: string, before = 'null') =>
    sql.unsafe(`create or replace function mine.${name}(candles indicator.candle[], params jsonb)
      returns indicator.reading language plpgsql immutable as $$ begin
        perform ${before};
        return row(array[${output}], 0, 0, null, null, null)::indicator.reading;
      end $$`);

  const define = (kind: string, name: string, outputs = 1) => sql`
    select indicator.define_sql_kind(${kind}, ${name}, 'A kind', 'Neutral',
      ${JSON.stringify(Array.from({ length: outputs }, (_, n) => ({ name: `o${n}`, unit: 'price', pane: 'own' })))}::text::jsonb,
      '[{"bars": 1}]', parameters => '[{"name": "bars", "type": "integer", "min": 1, "max": 9, "default": 2}]')`;

  async function evaluate(
    name: string,
    closes: readonly number[],
    rest: { outputs?: number; params?: object; session?: Sql | TransactionSql } = {},
  ) {
    const { outputs = 1, params = {}, session = worker } = rest;
    const [known] = await sql<{ fingerprint: string }[]>`
      select k.fingerprint from indicator.sql_kinds as k where k.function = ${name}`;
    const prices = closes as number[];
    return [
      ...(await session`
        select place, outputs, fault from indicator.evaluate(${name}, ${known?.fingerprint ?? ''},
          ${JSON.stringify(params)}::text::jsonb, ${outputs}, ${prices.map((_, place) => place + 1)}::int[], 2,
          ${prices.map((_, place) => secondsAfter(60 * place))}::text[]::timestamptz[],
          ${prices}::float8[], ${prices}::float8[], ${prices}::float8[], ${prices}::float8[], ${prices}::float8[],
          ${prices.map(() => null)}::float8[], ${prices.map(() => 1)}::bigint[], ${prices.map(() => null)}::float8[])`),
    ];
  }

  it('is defined, computed where its candles end, and taken away with its rights', async () => {
    await define('last', 'mine.last');
    expect(await evaluate('mine.last', [1.5, 2.25])).toEqual([
      { place: 1, outputs: [1.5], fault: null },
      { place: 2, outputs: [2.25], fault: null },
    ]);
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { bars: 3 }, { kind: 'last' });
    await expect(sql`select indicator.remove_sql_kind('last')`).rejects.toMatchObject({
      code: 'SVUSE',
      message: `the kind last has indicators: ${id}`,
    });
    await sql`select indicator.remove(${id})`;
    await sql`select indicator.remove_sql_kind('last')`;
    expect(await sql`select from indicator.kinds where kind = 'last'`).toHaveLength(0);
    expect(await sql`select from indicator.sql_kinds where kind = 'last'`).toHaveLength(0);
    const [rights] = await sql`
      select has_schema_privilege('foresight_sandbox', 'mine', 'usage') as may_enter,
        (select count(*)::int from pg_proc as p, aclexplode(p.proacl) as a
         where p.oid = 'mine.last'::regproc and a.grantee = 'foresight_sandbox'::regrole) as grants`;
    expect(rights).toEqual({ may_enter: false, grants: 0 });
    await expect(sql`select indicator.remove_sql_kind('last')`).rejects.toMatchObject({
      code: 'NOKIN',
      message: "there is no SQL function of kind 'last'",
    });
  });

  it('keeps the rights that another kind of its function or schema needs', async () => {
    await create('shared', '1');
    await define('shared_one', 'mine.shared');
    await define('shared_two', 'mine.shared');
    await define('beside', 'mine.last');
    await sql`select indicator.remove_sql_kind('shared_one')`;
    expect(await evaluate('mine.shared', [1])).toMatchObject([{ outputs: [1], fault: null }]);
    await sql`select indicator.remove_sql_kind('shared_two')`;
    expect(await evaluate('mine.last', [1])).toMatchObject([{ outputs: [1], fault: null }]);
    await sql`select indicator.remove_sql_kind('beside')`;
  });

  it('may be gone before it is taken away', async () => {
    await create('goes', '1');
    await define('goes', 'mine.goes');
    await sql`drop function mine.goes`;
    await sql`select indicator.remove_sql_kind('goes')`;
    expect(await sql`select from indicator.kinds where kind = 'goes'`).toHaveLength(0);
  });

  it('is computed anew when it is defined again, and what was set aside is tried again', async () => {
    const symbol = await addInstrument(sql);
    await createFeed(sql).recordTicks('manual', [
      tickOf(symbol, secondsAfter(0), { bid: 1, ask: 2 }),
    ]);
    await define('again', 'mine.last');
    const id = await addIndicator(sql, symbol, {}, { kind: 'again' });
    await sql`delete from indicator.backfills`;
    await sql`select indicator.set_aside('sql', '{not_computed}', '{x}', array[${JSON.stringify({ indicator_id: id, timeframe: '1m', bucket: secondsAfter(0) })}])`;
    await define('again', 'mine.last');
    const backfills = await sql<{ from: string }[]>`
      select next_bucket::text as from from indicator.backfills where indicator_id = ${id}`;
    expect([...backfills]).toEqual([{ from: '-infinity' }]);
    expect(await sql`select from indicator.dead_letters`).toHaveLength(0);
    await sql`select indicator.remove(${id})`;
    await sql`select indicator.remove_sql_kind('again')`;
  });

  it('has its history computed from where it was set aside on, when that is tried again', async () => {
    const symbol = await addInstrument(sql);
    await define('redriven', 'mine.last');
    const id = await addIndicator(sql, symbol, {}, { kind: 'redriven' });
    const body = (indicator: number) =>
      JSON.stringify({ indicator_id: indicator, timeframe: '1m', bucket: secondsAfter(60) });
    const setAside = (service: string, reason: string, indicator: number) => sql`
      select indicator.set_aside(${service}, array[${reason}], '{x}', array[${body(indicator)}])`;
    await sql`delete from indicator.backfills`;
    // What anybody may send is no reason to compute anything.
    await setAside('sql', 'not_a_message', id);
    await sql`select indicator.register_service('other')`;
    await setAside('other', 'not_computed', id);
    await sql`select indicator.redrive()`;
    expect(await sql`select from indicator.backfills`).toHaveLength(0);
    expect(
      await sql`select from indicator.dead_letters where reason = 'not_a_message'`,
    ).toHaveLength(1);
    await setAside('sql', 'not_computed', id);
    await setAside('sql', 'not_computed', 2_000_000_000);
    await sql`select indicator.redrive('sql')`;
    const backfills = await sql`
      select indicator_id, next_bucket = ${secondsAfter(60)}::text::timestamptz as is_from_there from indicator.backfills`;
    expect([...backfills]).toEqual([{ indicator_id: id, is_from_there: true }]);
    expect(
      await sql`select from indicator.dead_letters where reason = 'not_computed'`,
    ).toHaveLength(0);
    await sql`delete from indicator.dead_letters`;
    await sql`select indicator.remove(${id})`;
    await sql`select indicator.remove_sql_kind('redriven')`;
  });

  const refused: readonly (readonly [what: string, statement: string, fault: string])[] = [
    ['that is not there', '', 'there is no function mine.f(indicator.candle[], jsonb)'],
    [
      'of other arguments',
      'create function mine.f(jsonb, indicator.candle[]) returns indicator.reading language sql immutable as $$ select null::indicator.reading $$',
      'there is no function mine.f(indicator.candle[], jsonb)',
    ],
    [
      'that returns something else',
      'create function mine.f(indicator.candle[], jsonb) returns float8 language sql immutable as $$ select 1::float8 $$',
      'mine.f(indicator.candle[],jsonb) must return one indicator.reading',
    ],
    [
      'that returns rows',
      'create function mine.f(indicator.candle[], jsonb) returns setof indicator.reading language sql immutable as $$ select null::indicator.reading $$',
      'mine.f(indicator.candle[],jsonb) must return one indicator.reading',
    ],
    [
      'that is volatile',
      'create function mine.f(indicator.candle[], jsonb) returns indicator.reading language sql as $$ select null::indicator.reading $$',
      'mine.f(indicator.candle[],jsonb) must be immutable: a value follows from its candles and parameters alone',
    ],
    [
      'with the rights of its owner',
      'create function mine.f(indicator.candle[], jsonb) returns indicator.reading language sql immutable security definer as $$ select null::indicator.reading $$',
      'mine.f(indicator.candle[],jsonb) must not be security definer',
    ],
    [
      'of a language that asks nobody',
      "create function mine.f(indicator.candle[], jsonb) returns indicator.reading language internal immutable as 'int4pl'",
      'mine.f(indicator.candle[],jsonb) must be of a trusted language, such as sql or plpgsql',
    ],
  ];
  it.each(refused)('is none %s', async (_, statement, fault) => {
    if (statement !== '') await sql.unsafe(statement);
    try {
      await expect(define('f', 'mine.f')).rejects.toMatchObject({
        code: 'KINDS',
        message: `the kind f cannot be defined: ${fault}`,
      });
    } finally {
      await sql`drop function if exists mine.f(indicator.candle[], jsonb)`;
      await sql`drop function if exists mine.f(jsonb, indicator.candle[])`;
    }
    expect(await sql`select from indicator.kinds where kind = 'f'`).toHaveLength(0);
  });

  it.each([['last'], ['mine.last; drop schema mine'], ["mine.last'"], ['a.b.c'], ['']])(
    'has its schema in its name: %s is refused',
    async name => {
      await expect(define('f', name)).rejects.toMatchObject({
        code: 'KINDS',
        message: `the kind f cannot be defined: ${name} does not name a function with its schema`,
      });
    },
  );

  it.each(['indicator', 'alert', 'track'])('is none in %s, which is ours', async schema => {
    await sql.unsafe(`create function ${schema}.f(indicator.candle[], jsonb) returns indicator.reading
      language sql immutable as $$ select null::indicator.reading $$`);
    try {
      await expect(define('f', `${schema}.f`)).rejects.toMatchObject({
        code: 'KINDS',
        message: `the kind f cannot be defined: schema ${schema} is not yours: make the function in a schema of your own`,
      });
    } finally {
      await sql.unsafe(`drop function ${schema}.f`);
    }
  });

  it('is told of its declaration what is wrong with it', async () => {
    await expect(define('f', 'mine.last', 0)).rejects.toMatchObject({
      code: 'KINDS',
      message: expect.stringMatching(/^the kind f cannot be registered: it must have at least one/),
    });
  });

  describe('gains no right', () => {
    beforeAll(async () => {
      // What is called may be volatile, and write.
      await sql`create function mine.run(statement text) returns void language plpgsql as
        $$ begin execute statement; end $$`;
      await create('does', '1', "mine.run(params ->> 'statement')");
      await define('does', 'mine.does');
    });

    it('with a statement that is allowed', async () => {
      expect(await evaluate('mine.does', [1], { params: { statement: 'select 1' } })).toEqual([
        { place: 1, outputs: [1], fault: null },
      ]);
    });

    it.each(forbidden)('by %s', async template => {
      const [known] = await sql<[{ owner: string; backend: number }]>`
        select quote_ident(current_user) as owner, pg_backend_pid() as backend`;
      const statement = template
        .replace('{owner}', known.owner)
        .replace('{backend}', String(known.backend));
      const [row] = await evaluate('mine.does', [1], { params: { statement } });
      expect(row).toMatchObject({ outputs: null, fault: expect.stringMatching(refusals) });
      expect(row?.fault).toMatch(/^mine\.does: /);
    });

    it('by settings that it has', async () => {
      for (const role of ['foresight_indicators', 'none']) {
        await sql.unsafe(`create or replace function mine.set_role(candles indicator.candle[], params jsonb)
          returns indicator.reading language sql immutable set role = '${role}'
          as $$ select row(array[1], 0, 0, null, null, null)::indicator.reading $$`);
        await define('set_role', 'mine.set_role');
        const [row] = await evaluate('mine.set_role', [1]);
        expect(row).toMatchObject({
          outputs: null,
          fault: expect.stringMatching(/cannot set parameter "role" .*\(42501\)/),
        });
      }
    });

    it('where its role has more than it should', async () => {
      await define('rich', 'mine.last');
      const given: readonly [statement: string, role: string][] = [
        ['grant pg_read_all_data to foresight_sandbox', 'foresight_sandbox'],
        ['alter role foresight_sandbox bypassrls', 'foresight_sandbox'],
        [
          `do $$ begin execute format('alter function %s owner to %I',
            (select p.oid::regprocedure from pg_proc as p where p.proname = 'evaluate'), session_user); end $$`,
          '',
        ],
      ];
      for (const [statement, role] of given) {
        // Roles belong to the cluster, and others test beside this.
        const undone = sql.begin(async transaction => {
          await transaction.unsafe(statement);
          await transaction`set local role foresight_indicators`;
          await evaluate('mine.last', [1], { session: transaction });
        });
        await expect(undone).rejects.toMatchObject({
          code: 'KINDS',
          message: expect.stringContaining(
            `SQL functions run only where they can read nothing, not as ${role}`,
          ),
        });
      }
      expect(await evaluate('mine.last', [1])).toMatchObject([{ fault: null }]);
    });
  });

  it('fails alone, and says with what', async () => {
    await create('divides', '1 / candles[1].close');
    await define('divides', 'mine.divides');
    expect(await evaluate('mine.divides', [0, 4, 8])).toEqual([
      { place: 1, outputs: null, fault: 'mine.divides: division by zero (22012)' },
      { place: 2, outputs: null, fault: 'mine.divides: division by zero (22012)' },
      { place: 3, outputs: [0.25], fault: null },
    ]);
    expect(await evaluate('mine.divides', [1], { outputs: 2 })).toEqual([
      { place: 1, outputs: null, fault: 'mine.divides: 1 outputs instead of 2' },
    ]);
  });

  it('fails alone by an assertion, without end, in depth, and by what it says of itself', async () => {
    const failing: Readonly<Record<string, readonly [before: string, fault: RegExp]>> = {
      asserts: ['null; assert false', /assertion failed \(P0004\)$/],
      claims: ["null; raise sqlstate 'KINDS'", /\(KINDS\)$/],
      shouts: ["null; raise '%', repeat('x', 100000)", /^mine\.shouts: x{287}$/],
      deepens: ['mine.deepens(candles, params)', /stack depth limit exceeded \(54001\)$/],
    };
    for (const [name, [before, fault]] of Object.entries(failing)) {
      await create(name, '1', before);
      await define(name, `mine.${name}`);
      const [row] = await evaluate(`mine.${name}`, [1]);
      expect(row, name).toMatchObject({ outputs: null, fault: expect.stringMatching(fault) });
    }
  });

  it.each([
    ["array_fill(1::float8, '{1,2}')", '2 outputs instead of 1'],
    ["array_fill(1::float8, '{1,1}')", '1 outputs instead of 1'],
    ["'{}'::float8[]", '0 outputs instead of 1'],
    ["array_fill(1::float8, '{1000000}')", '1000000 outputs instead of 1'],
  ])('gives a list of numbers, not %s', async (outputs, fault) => {
    await sql.unsafe(`create or replace function mine.lists(candles indicator.candle[], params jsonb)
      returns indicator.reading language sql immutable
      as $$ select row(${outputs}, 0, 0, null, null, null)::indicator.reading $$`);
    await define('lists', 'mine.lists');
    expect(await evaluate('mine.lists', [1])).toEqual([
      { place: 1, outputs: null, fault: `mine.lists: ${fault}` },
    ]);
  });

  it('gives no value with no row, a null, and outputs that are null; and may count outputs from 0', async () => {
    const bodies = {
      'select null::indicator.reading where false': null,
      'select null::indicator.reading': null,
      'select row(null, 1, 1, null, null, null)::indicator.reading': null,
      "select row('[0:0]={7}'::float8[], 0, 0, null, null, null)::indicator.reading": [7],
    };
    for (const [body, outputs] of Object.entries(bodies)) {
      await sql.unsafe(`create or replace function mine.quiet(candles indicator.candle[], params jsonb)
        returns indicator.reading language sql immutable as $$ ${body} $$`);
      await define('quiet', 'mine.quiet');
      expect(await evaluate('mine.quiet', [1])).toEqual([{ place: 1, outputs, fault: null }]);
    }
  });

  it('leaves nothing to the value after it', async () => {
    await create(
      'settles',
      "current_setting('mine.last', true)::float8",
      "null; if coalesce(current_setting('mine.last', true), '') = '' then perform set_config('mine.last', '1', false); end if",
    );
    await create(
      'rounds',
      '0.1::float8 + 0.2::float8',
      "set_config('extra_float_digits', '-15', false)",
    );
    await define('settles', 'mine.settles');
    await define('rounds', 'mine.rounds');
    const values = await evaluate('mine.settles', [1, 2, 3]);
    expect(values.map(row => row.outputs)).toEqual([[1], [1], [1]]);
    expect(await evaluate('mine.rounds', [1, 2])).toMatchObject([
      { outputs: [0.1 + 0.2] },
      { outputs: [0.1 + 0.2] },
    ]);
  });

  it('is not run any more when it has become another, or is gone', async () => {
    await create('changes', '1');
    await define('changes', 'mine.changes');
    const changed = {
      code: 'KINDS',
      message: 'mine.changes(indicator.candle[],jsonb) is not what it was when it was defined',
      hint: 'Call indicator.define_sql_kind again: all its values are computed anew.',
    };
    await sql`alter function mine.changes security definer`;
    await expect(evaluate('mine.changes', [1])).rejects.toMatchObject(changed);
    await sql`alter function mine.changes security invoker`;
    expect(await evaluate('mine.changes', [1])).toMatchObject([{ outputs: [1] }]);
    await create('changes', '2');
    await expect(evaluate('mine.changes', [1])).rejects.toMatchObject(changed);
    await define('changes', 'mine.changes');
    expect(await evaluate('mine.changes', [1])).toMatchObject([{ outputs: [2] }]);
    await sql`drop function mine.changes`;
    await expect(evaluate('mine.changes', [1])).rejects.toMatchObject({
      code: 'KINDS',
      message: 'there is no function mine.changes(indicator.candle[], jsonb) any more',
    });
  });

  it('gives no value when it is replaced while it runs', async () => {
    // The second value has PostgreSQL look at what others changed, as any table does that is new to a transaction.
    await create(
      'slow',
      '1',
      `null; if candles[cardinality(candles)].close = 1 then perform pg_advisory_lock(9);
        else perform count(*) from pg_opfamily; end if`,
    );
    await define('slow', 'mine.slow');
    const holder = await sql.reserve();
    try {
      await holder`select pg_advisory_lock(9)`;
      const refusedThen = expect(evaluate('mine.slow', [1, 2, 3])).rejects.toMatchObject({
        code: 'KINDS',
        message: 'mine.slow was changed while it ran',
      });
      await waitFor(
        'it waits',
        () => sql`select from pg_locks where locktype = 'advisory' and objid = 9 and not granted`,
        {
          until: rows => rows.length === 1,
        },
      );
      await create('slow', '2');
      await holder`select pg_advisory_unlock(9)`;
      await refusedThen;
    } finally {
      await holder`select pg_advisory_unlock_all()`;
      holder.release();
    }
  });

  it('ends by force when it lets nothing else end it', async () => {
    await create(
      'stays',
      '1',
      `null; loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop`,
    );
    await define('stays', 'mine.stays');
    const end = async () => {
      const [row] = await worker<
        { ended: number }[]
      >`select indicator.end_evaluations('0') as ended`;
      return row?.ended;
    };
    const [known] = await sql<{ fingerprint: string }[]>`
      select fingerprint from indicator.sql_kinds where kind = 'stays'`;
    const stuck = await as('foresight_indicators').reserve();
    await stuck`set statement_timeout = '200ms'`;
    const ended = expect(
      stuck.unsafe(`select * from indicator.evaluate('mine.stays', '${known?.fingerprint}', '{}', 1, '{1}', 1,
        '{2026-01-01Z}', '{1}', '{1}', '{1}', '{1}', '{1}', '{1}', '{1}', '{1}')`),
    ).rejects.toMatchObject({
      code: expect.stringMatching(/^(57P01|CONNECTION_CLOSED)$/),
    });
    expect(await end()).toBe(0);
    await waitFor('it is ended', end, { until: count => count === 1 });
    await ended;
    expect(await end()).toBe(0);
  });
});
