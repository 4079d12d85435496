import fc from 'fast-check';
import type { Reason } from '../../workers/ingest/rejection.ts';
import { toLine } from '../../workers/ingest/sources/oanda/fake_prices.ts';

/** What must become of a line: it is refused for this reason, or means nothing, or is this price. */
export type Fate = Reason | 'nothing' | 'stored' | 'duplicate';

export interface HostileLine {
  readonly fate: Fate;
  /** @param price A good one, that was not sent before. @param before The last one that was. */
  readonly write: (price: GoodPrice, before: GoodPrice) => string | Uint8Array;
}

export interface GoodPrice {
  readonly instrument: string;
  readonly time: string;
  readonly bid: string;
  readonly ask: string;
}

type Write = HostileLine['write'];

const hostile = (fate: Fate, writers: fc.Arbitrary<Write>): fc.Arbitrary<HostileLine> =>
  writers.map(write => ({ fate, write }));
const always = (fate: Fate, ...texts: string[]) =>
  hostile(
    fate,
    fc.constantFrom(...texts).map(text => () => text),
  );
const lineOf = (price: GoodPrice): string => toLine(price).trimEnd();
/** A good line with one field that is something else. */
const withField = (field: string, values: fc.Arbitrary<unknown>) =>
  values.map(
    (value): Write =>
      price =>
        JSON.stringify({ ...JSON.parse(lineOf(price)), [field]: value }),
  );
const withBid = (prices: fc.Arbitrary<unknown>) =>
  withField(
    'bids',
    prices.map(price => [{ price, liquidity: 1 }]),
  );
/** A good line with something more in it, which nobody asked for. */
const withMore = (more: fc.Arbitrary<string>) =>
  more.map(
    (text): Write =>
      price =>
        `{${text},${lineOf(price).slice(1)}`,
  );
const nested = (depth: number, open = '[', close = ']') => open.repeat(depth) + close.repeat(depth);
const depth = fc.integer({ min: 100, max: 20_000 });
const noStrings = fc.constantFrom<unknown>(null, 7, true, [], {}, [[]]);
const byte = (min: number, max: number) => fc.integer({ min, max });

/** No line ends in them, nor a quote or a backslash. */
const invalidUtf8 = fc.uint8Array({ min: 0x80, max: 0xff, minLength: 1, maxLength: 40 });

function spliced(price: GoodPrice, mark: string, bytes: Uint8Array): Uint8Array {
  const [before = '', after = ''] = lineOf(price).replace(mark, `${mark}|`).split('|');
  return Buffer.concat([Buffer.from(before), bytes, Buffer.from(after)]);
}

/** Lines that a provider should not send, each with what must become of it. */
export const hostileLines: fc.Arbitrary<HostileLine> = fc.oneof(
  // Nothing to be refused.
  always('nothing', '', '\r', ' ', '\t \r', '\uFEFF', '{"type":"NOVELTY"}', '{"type":"price"}'),
  hostile(
    'nothing',
    fc.string({ unit: 'binary' }).map(
      (type): Write =>
        () =>
          JSON.stringify({ type: `x${type}` }),
    ),
  ),
  hostile(
    'nothing',
    fc.constant(price => `${lineOf(price).slice(0, -1)},"type":"HEARTBEAT"}`),
  ),
  // No JSON, or none of an object with a type.
  always(
    'malformed',
    '{',
    '{}',
    '[]',
    'null',
    '7',
    '"PRICE"',
    'NaN',
    '{"type":7}',
    '{"type":["PRICE"]}',
  ),
  always(
    'malformed',
    '{"__proto__":{"type":"PRICE"}}',
    '{"constructor":{"type":"PRICE"}}',
    '\u0000',
  ),
  hostile(
    'malformed',
    fc
      .string({ unit: 'binary', minLength: 1 })
      .map(text => `#${text.replaceAll('\n', ' ')}`)
      .map(text => () => text),
  ),
  hostile(
    'malformed',
    invalidUtf8.map(bytes => () => bytes),
  ),
  hostile(
    'malformed',
    depth.map(levels => () => nested(levels)),
  ),
  hostile(
    'malformed',
    depth.map(levels => () => '['.repeat(levels)),
  ),
  hostile(
    'malformed',
    depth.map(levels => () => `{"type":${nested(levels / 4, '{"type":', '}')}}`),
  ),
  hostile(
    'malformed',
    fc.double({ min: 0.01, max: 0.99, noNaN: true }).map(
      (share): Write =>
        price =>
          lineOf(price).slice(0, Math.ceil(share * (lineOf(price).length - 1))),
    ),
  ),
  hostile(
    'malformed',
    byte(0x00, 0x1f)
      .filter(code => code !== 0x0a)
      .map(
        (code): Write =>
          price =>
            spliced(price, '"PRICE', Uint8Array.of(code)),
      ),
  ),
  // A price with something of a wrong type.
  ...['instrument', 'time'].map(field => hostile('malformed', withField(field, noStrings))),
  ...['bids', 'asks'].map(field =>
    hostile(
      'malformed',
      withField(
        field,
        fc.oneof(
          fc.constantFrom<unknown>(null, 7, 'x', {}, [null], [7], [[]], [{}]),
          fc.constantFrom<unknown>(1.5, 1e300, null, true, {}).map(price => [{ price }]),
        ),
      ),
    ),
  ),
  hostile('malformed', withField('tradeable', fc.constantFrom(0, 'true', null, []))),
  // Longer than any line of a provider.
  hostile(
    'line_too_long',
    fc.integer({ min: 65_537, max: 300_000 }).map(
      (length): Write =>
        () =>
          ' '.repeat(length),
    ),
  ),
  hostile('line_too_long', withMore(fc.constant(`"x":"${'x'.repeat(70_000)}"`))),
  // Somebody else's.
  hostile(
    'wrong_symbol',
    withField(
      'instrument',
      fc.oneof(
        fc.constantFrom(
          '',
          '__proto__',
          'constructor',
          'toString',
          'GBP_USD',
          'eur_usd',
          'EUR_USD\n',
        ),
        fc.constantFrom(
          '\u202eDSU_RUE',
          'EUR_USD\u0000',
          '\u001b[2J',
          '\ud800',
          'X'.repeat(50_000),
        ),
        fc.string({ unit: 'binary' }).map(text => `?${text}`),
      ),
    ),
  ),
  hostile(
    'wrong_symbol',
    fc.constant(price => `${lineOf(price).slice(0, -1)},"instrument":"NOBODY"}`),
  ),
  hostile(
    'wrong_symbol',
    invalidUtf8.map(
      (bytes): Write =>
        price =>
          spliced(price, `"instrument":"`, bytes),
    ),
  ),
  // No price.
  hostile(
    'number_malformed',
    withBid(
      fc.constantFrom(
        '',
        ' ',
        '1,165',
        '0x1p3',
        'NaN',
        'Infinity',
        '١٢',
        '1_0',
        '1e',
        '1.2.3',
        '１',
      ),
    ),
  ),
  hostile('number_malformed', withBid(fc.string({ unit: 'binary' }).map(text => `?${text}`))),
  hostile('price_not_finite', withBid(fc.constantFrom('1e309', '-1e309', '9'.repeat(400)))),
  hostile('price_not_positive', withBid(fc.constantFrom('0', '-0', '-1.5', '1e-400', '-1e300'))),
  hostile(
    'price_too_large',
    withBid(fc.constantFrom('1e15', '9007199254740993', '18446744073709551617', '1e308')),
  ),
  hostile(
    'no_price',
    fc.constant(price => toLine({ ...price, bid: null, ask: null }).trimEnd()),
  ),
  hostile(
    'not_tradeable',
    fc.constant(price => toLine({ ...price, tradeable: false }).trimEnd()),
  ),
  // No time.
  hostile(
    'time_malformed',
    withField(
      'time',
      fc.oneof(
        fc.constantFrom('', 'now', 'infinity', '1466620896.201836422', '2026-02-30T00:00:00Z'),
        fc.constantFrom('2026-03-02T24:00:00Z', '2026-03-02T10:00:60Z', '2026-03-02T10:00:00'),
        fc.constantFrom('10000-01-01T00:00:00Z', '2026-03-02T10:00:00.1234567890Z'),
        fc.string({ unit: 'binary' }).map(text => `?${text}`),
      ),
    ),
  ),
  hostile(
    'time_before_1970',
    withField('time', fc.constantFrom('0001-01-01T00:00:00Z', '1969-12-31T23:59:59.999999999Z')),
  ),
  hostile(
    'time_in_future',
    withField('time', fc.constantFrom('9999-12-31T23:59:59Z', '2200-01-01T00:00:00.5Z')),
  ),
  // Again, and again with another price.
  hostile(
    'duplicate',
    fc.constant((_, before) => lineOf(before)),
  ),
  hostile(
    'conflict',
    fc.constant((_, before) => lineOf({ ...before, bid: '77.25' })),
  ),
  // A good price all the same.
  hostile('stored', withMore(depth.map(levels => `"x":${nested(levels)}`))),
  hostile(
    'stored',
    withMore(
      fc.constantFrom(
        '"__proto__":{"type":"HEARTBEAT","bids":[]}',
        '"id":9007199254740993',
        '"id":1e999',
        '"type":"HEARTBEAT"',
        '"instrument":"NOBODY"',
        '"bids":[]',
        '"toString":1',
        '"":""',
      ),
    ),
  ),
  hostile(
    'stored',
    invalidUtf8.map(
      (bytes): Write =>
        price =>
          spliced(price, '"status":"', bytes),
    ),
  ),
);

/** Prices whose text a float does not print back, and such that it does. */
export const priceTexts = fc.oneof(
  fc.constantFrom(
    '0.1',
    '1.10000',
    '1e-5',
    '.5',
    '5.',
    '1.1650100000000000000001',
    '0.30000000000000004',
  ),
  fc.constantFrom('123456789.123456789123456789', '4.9406564584124654e-324', '999999999999999.9'),
  fc.double({ min: 1e-9, max: 1e14, noNaN: true }).map(String),
  fc.bigInt({ min: 1n, max: 10n ** 30n }).map(digits => `1.${digits}`),
);

/** Entries of a list that are no instruments, as JSON. */
export const hostileEntries: fc.Arbitrary<string> = fc.oneof(
  fc.json({ maxDepth: 3 }),
  depth.map(levels => nested(levels)),
  depth.map(levels => `{"name":${nested(levels)},"displayName":"Gold","displayPrecision":5}`),
  fc.constant('{"__proto__":{"name":"GOLD"},"displayName":"Gold","displayPrecision":5}'),
  fc.constant('{"name":"GOLD","displayName":"Gold","displayPrecision":1e999}'),
  fc
    .oneof(
      fc
        .oneof(
          fc.constantFrom('', 'eur_usd', '__proto__', 'EUR USD', 'EUR_USD\n', '\nEUR_USD', '_EUR'),
          fc.constantFrom('\u202eEUR_USD', 'EUR_USD\u0000', '\u001b[2J', '\ud800'),
          fc.constantFrom('X'.repeat(33), 'X'.repeat(100_000)),
          fc.string({ unit: 'binary' }).map(text => `?${text}`),
        )
        .map(name => ({ name, displayName: name, displayPrecision: 5 })),
      fc
        .constantFrom<unknown>(null, '5', 1.5, -1, 1e300, true, [], {}, undefined)
        .map(displayPrecision => ({ name: 'GOLD', displayName: 'Gold', displayPrecision })),
      noStrings.map(displayName => ({ name: 'GOLD', displayName, displayPrecision: 5 })),
      noStrings.map(name => ({ name, displayName: 'Gold', displayPrecision: 5 })),
      fc.constant({ name: 'EUR_USD', displayName: 'again', displayPrecision: 1 }),
    )
    .map(entry => JSON.stringify(entry)),
);
