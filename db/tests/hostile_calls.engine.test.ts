import fc from 'fast-check';
import type { ReservedSql } from 'postgres';
import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../tests/support/database.ts';
import {
  addIndicator,
  catchUp,
  computeAll,
  registerCatalog,
  valuesOf,
} from '../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../tests/support/ticks.ts';
import { createFeed } from '../../workers/ingest/feed.ts';

/** Each role, and the tables that it may change at all, by what their names begin with. */
const roles: Readonly<Record<string, readonly string[]>> = {
  foresight_ingest: [
    ...['feed.sources', 'feed.source_states', 'feed.instruments', 'feed.ticks', 'feed.candles_'],
    ...['feed.rejections', 'feed.rejected_ticks', 'feed.coverage', 'feed.gaps', 'feed.replays'],
    ...['outbox.changes', 'ops.processes', 'graphile_worker.'],
  ],
  foresight_upkeep: [
    ...['feed.rejections', 'feed.rejected_ticks', 'feed.coverage', 'feed.gaps', 'outbox.candles'],
    ...['indicator.dead_letters', 'ops.maintenance', 'ops.processes', 'graphile_worker.'],
  ],
  foresight_publish: ['outbox.', 'ops.processes', 'graphile_worker.'],
  foresight_indicators: [
    ...['indicator.', 'outbox.subscriptions', 'outbox.filters', 'outbox.backfills'],
    ...['ops.processes', 'graphile_worker.'],
  ],
  foresight_web: ['ops.processes'],
};

/**
 * Ours, of five capitals; an argument that PostgreSQL itself cannot take, of class 22; a constraint, which reads as a
 * sentence; a row that another one needs or has already; and a table behind a function that may only be called by others.
 */
const refusals = /^([A-Z]{5}|22...|23...|42501)$/;

interface Callable {
  readonly name: string;
  readonly types: readonly string[];
}

/** Values of the world of this test, so that what is called finds something. */
interface Known {
  readonly texts: readonly string[];
  readonly numbers: readonly number[];
  readonly times: readonly string[];
}

const nastyTexts = [
  ...['', ' ', 'null', '{}', '[]', '1', "'; drop table feed.ticks; --", '%s %I %L %', '\\', '"'],
  ...[
    'a\nb',
    '\u001b[2J',
    '\u202Etxt',
    '\u200B',
    '\u{1F4C8}',
    '$$',
    '$1',
    '__proto__',
    '-infinity',
  ],
  ...['X'.repeat(100_000), 'x'.repeat(41), 'A'.repeat(33), "x') or true --", '.*', '(a+)+$'],
];
const times = [
  ...['infinity', '-infinity', 'epoch', '0001-01-01 00:00:00+00', '4713-01-01 00:00:00+00 BC'],
  ...['294276-12-31 23:59:59.999999+00', '9999-12-31 00:00:00+00', '2100-01-01 00:00:00+00'],
  ...['2026-03-02 10:00:00+00', '2026-03-02 10:00:00.123456+00', '1969-12-31 23:59:59+00'],
];
const intervals = [
  ...['0', '1 microsecond', '-1 second', '1 second', '1 minute', '1 month', '1 day -24 hours'],
  ...['178000000 years', '-178000000 years', '2000000000 days', '-1 month'],
];
const documents = [
  ...['{}', '[]', 'null', '1', '"x"', 'true', '{"fast": 1, "slow": 2}', '{"fast": 1e308}'],
  ...[
    '{"fast": null, "slow": []}',
    '[{"name": "x"}]',
    '[{"a": 1}, null, 3]',
    '{"a": {"a": {"a": 1}}}',
  ],
  `${'['.repeat(500)}${']'.repeat(500)}`,
  JSON.stringify(Array.from({ length: 5_000 }, (_, n) => ({ [`p${n}`]: n }))),
];

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const withNull = (values: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 9, arbitrary: values.map(quoted) },
    { weight: 1, arbitrary: fc.constant('null') },
  );

/** A value of a type that is no array, as SQL writes it. */
function scalar(type: string, known: Known): fc.Arbitrary<string> {
  const integer = (smallest: string, largest: string) =>
    withNull(
      fc.oneof(
        fc.constantFrom('0', '1', '-1', smallest, largest),
        fc.constantFrom(...known.numbers).map(String),
        fc.integer({ min: -10, max: 5_000 }).map(String),
      ),
    );
  switch (type) {
    case 'text':
      return withNull(
        fc.oneof(
          { weight: 3, arbitrary: fc.constantFrom(...known.texts) },
          { weight: 1, arbitrary: fc.constantFrom(...nastyTexts) },
          {
            weight: 1,
            arbitrary: fc.string({ unit: 'binary', maxLength: 60 }).map(clean),
          },
        ),
      );
    case 'smallint':
      return integer('-32768', '32767').map(text => (/^'-?\d{1,4}'$/.test(text) ? text : "'1'"));
    case 'integer':
      return integer('-2147483648', '2147483647');
    case 'bigint':
      return integer('-9223372036854775808', '9223372036854775807');
    case 'real':
      return withNull(
        fc.constantFrom('0', '-0', '1', '-1', '0.5', 'NaN', 'infinity', '3e38', '1e-45'),
      );
    case 'double precision':
      return withNull(
        fc.oneof(
          fc.constantFrom(
            '0',
            '-0',
            '1',
            '1.5',
            '-1',
            'NaN',
            '-infinity',
            '1.7e308',
            '5e-324',
            '1e15',
          ),
          fc.double({ noNaN: true, min: 1e-6, max: 1e6 }).map(String),
        ),
      );
    case 'boolean':
      return withNull(fc.constantFrom('true', 'false'));
    case 'timestamp with time zone':
      return withNull(fc.oneof(fc.constantFrom(...times), fc.constantFrom(...known.times)));
    case 'interval':
      return withNull(fc.constantFrom(...intervals));
    case 'jsonb':
      return withNull(fc.oneof(fc.constantFrom(...documents), fc.json().map(clean)));
    default:
      return fc.constant('null');
  }
}

/** PostgreSQL's text holds no NUL, and a lone surrogate is no character: no client can send them. */
function clean(text: string): string {
  return text.toWellFormed().replaceAll(/\0|\\u0000|\\ud[89a-f]../gi, '');
}

/** Arrays of one call are mostly of one length, as those of a batch are. */
function argument(type: string, length: number, known: Known): fc.Arbitrary<string> {
  const element = /^(.*)\[\]$/.exec(type)?.[1];
  if (element === undefined) return scalar(type, known).map(text => `${text}::${type}`);
  const one = scalar(element, known);
  return fc.oneof(
    {
      weight: 12,
      arbitrary: fc
        .array(one, { minLength: length, maxLength: length })
        .map(all => `array[${all.join(', ')}]::${type}`),
    },
    { weight: 1, arbitrary: one.map(text => `array_fill(${text}::${element}, array[20000])`) },
    { weight: 1, arbitrary: one.map(text => `array[array[${text}, ${text}]]::${type}`) },
    {
      weight: 1,
      arbitrary: one.map(text => `array_fill(${text}::${element}, array[2], array[7])`),
    },
    { weight: 1, arbitrary: fc.constantFrom(`null::${type}`, `'{}'::${type}`) },
  );
}

/** A call with all arguments, or with the last ones left out. */
function callOf({ name, types }: Callable, known: Known): fc.Arbitrary<string> {
  return fc
    .integer({ min: 0, max: 4 })
    .chain(length => fc.tuple(...types.map(type => argument(type, length, known))))
    .map(given => `select * from ${name}(${given.join(', ')})`);
}

describeOnEngine('A hostile call', ({ sql, as }) => {
  const feed = createFeed(sql);
  let symbol: string;
  let indicatorId: number;
  let known: Known;

  beforeAll(async () => {
    await registerCatalog(sql);
    symbol = await addInstrument(sql);
    indicatorId = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await sql`select outbox.subscribe('witness', 'witness', ${symbol}::text, '1m', 'bid')`;
    const ticks = Array.from({ length: 60 }, (_, n) =>
      tickOf(symbol, secondsAfter(20 * n), { bid: 1 + (n % 7), ask: 9 }),
    );
    await feed.recordTicks('manual', ticks);
    await catchUp(sql);
    const [row] = await sql<[{ instrument: number; subscription: number; revision: number }]>`
      select feed.instrument_id(${symbol}) as instrument,
        (select subscription_id from outbox.subscriptions where name = 'witness') as subscription,
        (select last_value::int from outbox.revision) as revision`;
    known = {
      texts: [
        ...[
          symbol,
          symbol,
          'manual',
          'manual',
          'classical',
          'models',
          'witness',
          'ma_cross',
          'rsi',
        ],
        ...['1s', '1m', '1d', 'bid', 'mid', 'last', 'heard', 'exact', 'connected', 'disconnected'],
        ...[
          'publish',
          'ingest',
          'upkeep',
          'indicators',
          'web',
          'conflict',
          'no_price',
          'not_computed',
        ],
      ],
      numbers: [row.instrument, row.subscription, row.revision, row.revision + 1, indicatorId],
      times: [secondsAfter(0), secondsAfter(60), secondsAfter(1_140), new Date().toISOString()],
    };
  });

  async function callables(role: string): Promise<Callable[]> {
    const rows = await sql<Callable[]>`
      select n.nspname || '.' || p.proname as name,
        array(select format_type(t, null) from unnest(p.proargtypes) with ordinality as a(t, place) order by place) as types
      from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
      where n.nspname = any ('{feed,outbox,indicator,dashboard,ops}') and p.prokind = 'f'
        and p.prorettype <> 'trigger'::regtype and has_function_privilege(${role}, p.oid, 'execute')
      order by 1, 2`;
    return [...rows];
  }

  /** What each table holds, as one text of its rows. */
  async function contents(but: readonly string[]): Promise<Map<string, string>> {
    const tables = await sql<{ name: string }[]>`
      select c.oid::regclass::text as name from pg_class as c
      where c.relnamespace = any ('{feed,outbox,indicator,dashboard,ops,migration,graphile_worker}'::regnamespace[])
        and (c.relkind in ('r', 'p') or c.relkind = 'v' and c.relname like 'candles\\_%') order by 1`;
    const found = new Map<string, string>();
    for (const { name } of tables) {
      if (but.some(prefix => name.startsWith(prefix))) continue;
      const [row] = await sql.unsafe<[{ digest: string }]>(
        `select md5(string_agg(t::text, ' ' order by t::text)) as digest from ${name} as t`,
      );
      found.set(name, row.digest);
    }
    return found;
  }

  const processesOfOthers = (own: string) => sql`
    select process from ops.processes where process <> ${own.replace('foresight_', '')}`;

  async function attempt(session: ReservedSql, statement: string): Promise<string> {
    try {
      await session.unsafe(statement);
      return '';
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      return refusals.test(String(code)) ? '' : `${code} ${message}: ${statement.slice(0, 1_000)}`;
    }
  }

  it.for(Object.entries(roles))(
    'of %s is done or refused with a reason, and changes nothing else',
    { timeout: 300_000 },
    async ([role, changeable], { annotate }) => {
      const session = await as(role).reserve();
      await session.unsafe("set statement_timeout = '20s'");
      const all = await callables(role);
      expect(all.length).toBeGreaterThan(5);
      const unchanged = await contents(changeable);
      const ticks = async () => [
        ...(await sql`
          select observed_at, seq, bid, ask, last, size from feed.ticks
          where instrument_id = feed.instrument_id(${symbol}) order by observed_at, seq`),
      ];
      const facts = (await ticks()).map(row => JSON.stringify(row));
      const said = await sql<{ bucket: string }[]>`select * from indicator.verdicts`;
      let inputs = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...all).chain(each => callOf(each, known)),
          async statement => {
            inputs++;
            expect(await attempt(session, statement)).toBe('');
          },
        ),
        { numRuns: 40 * all.length, seed: 20_261_128, endOnFailure: true },
      );
      session.release();
      await annotate(`${inputs} hostile calls of ${all.length} functions`);

      expect(await contents(changeable)).toEqual(unchanged);
      expect(await processesOfOthers(role)).toHaveLength(0);
      await sql`delete from ops.processes`;
      const now = new Set((await ticks()).map(row => JSON.stringify(row)));
      expect(facts.filter(fact => !now.has(fact))).toEqual([]);
      const saidNow = new Set(
        (await sql`select * from indicator.verdicts`).map(row => JSON.stringify(row)),
      );
      expect(said.filter(row => !saidNow.has(JSON.stringify(row)))).toEqual([]);
    },
  );

  it('leaves a system that becomes what its ticks say', async () => {
    await sql`update feed.instruments set is_active = true where symbol = ${symbol}`;
    await registerCatalog(sql);
    await sql`update indicator.pending set leased_until = '-infinity'`;
    await sql`update indicator.backfills set leased_until = '-infinity'`;
    await catchUp(sql);
    await sql`call ops.reconcile('2026-03-01Z', '2026-03-04Z')`;
    const [found] = await sql<[{ different: number; unrepaired: number }]>`
      select sum(different)::int as different, sum(unrepaired)::int as unrepaired from ops.reconciliations`;
    expect(found).toEqual({ different: 0, unrepaired: 0 });
    await catchUp(sql);
    await sql`select ops.recompute(${indicatorId})`;
    await computeAll(sql);
    const values = await valuesOf(sql, indicatorId);
    const closes = await sql<{ close: number }[]>`
      select close from feed.candles(${symbol}, '1m', 'bid', '2026-01-01Z', now()) order by bucket`;
    expect(values.map(({ outputs }) => outputs)).toEqual(
      closes.map(({ close }, n) => {
        const last = closes[n - 1]?.close;
        const mean = ((last ?? 0) + close) / 2;
        return last === undefined ? null : [close - mean, close, mean];
      }),
    );
  });
});
