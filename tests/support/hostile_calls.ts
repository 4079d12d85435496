import fc from 'fast-check';
import { schemas } from './schemas.ts';

/**
 * Ours, of five capitals; an argument that PostgreSQL itself cannot take, of class 22; a constraint, which reads as a
 * sentence; a row that another one needs or has already; and a table behind a function that may only be called by others.
 */
export const refusals = /^([A-Z]{5}|22...|23...|42501)$/;

export interface Callable {
  readonly name: string;
  readonly types: readonly string[];
}

/** The functions that a role may call, of which the name is the only parameter. */
export const callablesOfRole = `
  select n.nspname || '.' || p.proname as name,
    array(select format_type(t, null) from unnest(p.proargtypes) with ordinality as a(t, place) order by place) as types
  from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
  where n.nspname = any ('{${schemas.join(',')}}') and p.prokind = 'f'
    and p.prorettype <> 'trigger'::regtype and has_function_privilege($1::name, p.oid, 'execute')
  order by 1, 2`;

/** Values of the world that is called, so that what is called finds something. */
export interface Known {
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
      return withNull(
        fc.oneof(
          fc.constantFrom(...documents),
          fc.json().map(clean),
          fc.array(tickLike(known), { maxLength: 5 }).map(all => `[${all.join(', ')}]`),
        ),
      );
    default:
      return fc.constant('null');
  }
}

/** What `feed.push_ticks` takes as a tick, or nearly so. */
function tickLike(known: Known): fc.Arbitrary<string> {
  const mostly = (good: readonly string[], bad: readonly string[]) =>
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...good) },
      { weight: 1, arbitrary: fc.constantFrom(...bad) },
    );
  const written = (values: readonly string[]) => values.map(value => JSON.stringify(value));
  const strange = ['null', 'true', '[]', '{}', '""', '"\\u202Ex"', '1e400', '-1e-400', '"1e999"'];
  const number = mostly(
    ['1', '1.5', '"2.50"', '7', 'null'],
    [...strange, '0', '-1', '1e15', '5e-324', '"NaN"', '"0x1"', '9223372036854775808', '0.1'],
  );
  const members = {
    symbol: mostly(written(known.texts), [...strange, ...written(nastyTexts)]),
    observed_at: mostly(written(known.times), [...strange, ...written(times)]),
    ...{ seq: number, bid: number, ask: number, last: number, size: number },
  };
  return fc
    .tuple(
      fc.record(members, { requiredKeys: ['symbol', 'observed_at'] }),
      mostly([''], [', "price": 1', ', "BID": 1', ', "symbol": null']),
    )
    .map(([tick, more]) => {
      const told = Object.entries(tick).map(([name, value]) => `"${name}": ${value}`);
      return `{${told.join(', ')}${more}}`;
    });
}

/** PostgreSQL's text holds no NUL, and a lone surrogate is no character: no client can send them. */
function clean(text: string): string {
  return text.toWellFormed().replaceAll(/\0|\\u0000|\\ud[89a-f]../gi, '');
}

/** So many, or as many as are 16 MB: one of more than 1 GB PostgreSQL cannot build, and so no function can get. */
const copiesOf = (text: string): number => Math.min(20_000, Math.floor(2 ** 24 / text.length));

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
    {
      weight: 1,
      arbitrary: one.map(text => `array_fill(${text}::${element}, array[${copiesOf(text)}])`),
    },
    { weight: 1, arbitrary: one.map(text => `array[array[${text}, ${text}]]::${type}`) },
    {
      weight: 1,
      arbitrary: one.map(text => `array_fill(${text}::${element}, array[2], array[7])`),
    },
    { weight: 1, arbitrary: fc.constantFrom(`null::${type}`, `'{}'::${type}`) },
  );
}

/** A call with all arguments, or with the last ones left out. */
export function callOf({ name, types }: Callable, known: Known): fc.Arbitrary<string> {
  return fc
    .integer({ min: 0, max: 4 })
    .chain(length => fc.tuple(...types.map(type => argument(type, length, known))))
    .map(given => `select * from ${name}(${given.join(', ')})`);
}
