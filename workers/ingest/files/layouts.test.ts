import { describe, expect, it } from 'vitest';
import { type ReadTicksOptions, readTicks, type TickFileItem } from './csv.ts';
import { parseColumns } from './layouts.ts';

const now = Date.parse('2027-01-01T00:00:00Z');

async function read(
  lines: readonly string[],
  options: Partial<ReadTicksOptions> = {},
): Promise<TickFileItem[]> {
  async function* bytes() {
    yield Buffer.from(lines.map(line => `${line}\n`).join(''));
  }
  const items: TickFileItem[] = [];
  for await (const group of readTicks(bytes(), { symbol: 'EUR_USD', now, ...options })) {
    items.push(...group);
  }
  return items;
}

/** Each tick short: its time and what it has, `!` and the reason where it is none. */
function short(items: readonly TickFileItem[]): string[] {
  return items.map(item => {
    if ('rejection' in item) return `! ${item.rejection.reason}`;
    const { observedAt, bid, ask, last, size, seq } = item.tick;
    return [observedAt, bid, ask, last, size, seq].map(each => each ?? '-').join(' ');
  });
}

const header = 'observed_at,bid,ask';
const tick = '2026-01-05T10:00:00.000000Z 1.1 1.2 - - -';

describe('a file people have is read:', () => {
  it.each<[string, string[], string[], Partial<ReadTicksOptions>?]>([
    [
      'Dukascopy, by the dukascopy-node tool',
      [
        'timestamp,askPrice,bidPrice,askVolume,bidVolume',
        '1735689600000,1.0351,1.0349,0.9,1.5',
        '1735689600605,1.0352,1.0350,0.9,1.5',
      ],
      [
        '2025-01-01T00:00:00.000000Z 1.0349 1.0351 - - -',
        '2025-01-01T00:00:00.605000Z 1.035 1.0352 - - -',
      ],
    ],
    [
      'Dukascopy, as JForex exports it, in the zone that its header names',
      [
        'Time (EET),Ask,Bid,AskVolume,BidVolume',
        '2026.01.05 10:00:00.605,1.15,1.14,0.4,0.7',
        '2026.07.05 10:00:00.605,1.15,1.14,0.4,0.7',
      ],
      [
        '2026-01-05T08:00:00.605000Z 1.14 1.15 - - -',
        '2026-07-05T07:00:00.605000Z 1.14 1.15 - - -',
      ],
    ],
    [
      'Dukascopy, from its web site',
      [
        'Local time,Ask,Bid,AskVolume,BidVolume',
        '01.03.2021 00:00:00.605 GMT-0000,1500.15,1499.78,0.4,0.7',
        '01.03.2021 02:00:00.605 GMT+0200,1500.15,1499.78,0.4,0.7',
      ],
      [
        '2021-03-01T00:00:00.605000Z 1499.78 1500.15 - - -',
        '2021-03-01T00:00:00.605000Z 1499.78 1500.15 - - -',
      ],
    ],
    [
      'Dukascopy, from its web site in GMT',
      ['Gmt time,Ask,Bid,AskVolume,BidVolume', '01.03.2021 00:00:00.605,1.15,1.14,0.4,0.7'],
      ['2021-03-01T00:00:00.605000Z 1.14 1.15 - - -'],
    ],
    [
      'FXCM, the month first',
      ['DateTime,Bid,Ask', '01/05/2026 22:00:00.123,1.10001,1.10012'],
      ['2026-01-05T22:00:00.123000Z 1.10001 1.10012 - - -'],
    ],
    [
      'Binance trades, in micro- and milliseconds',
      ['1,4.0,0.1,0.4,1735689600000123,True,True', '2,4.5,0.1,0.45,1700000000123,False,True'],
      ['2025-01-01T00:00:00.000123Z - - 4 0.1 1', '2023-11-14T22:13:20.123000Z - - 4.5 0.1 2'],
    ],
    [
      'Binance aggregated trades',
      ['26129,0.01633102,4.70443515,27781,27781,1498793709153,true,true'],
      ['2017-06-30T03:35:09.153000Z - - 0.01633102 4.70443515 26129'],
    ],
    [
      'Binance futures trades',
      [
        'id,price,qty,quote_qty,time,is_buyer_maker',
        '5018060513,42775.3,0.003,128.3,1704067200026,true',
      ],
      ['2024-01-01T00:00:00.026000Z - - 42775.3 0.003 5018060513'],
    ],
    [
      'Kraken',
      ['1381095255,122.00000,0.10000000', '1381179030.5,123.61,0.1'],
      ['2013-10-06T21:34:15.000000Z - - 122 0.1 -', '2013-10-07T20:50:30.500000Z - - 123.61 0.1 -'],
    ],
    [
      'Polygon flat files, with a list inside a field and ids beyond 2^53',
      [
        'ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,tape',
        'AAPL,"12,37",0,11,1,1735689600000123456,240.1,9007199254740993,1735689600000123456,100,3',
        'MSFT,,0,11,1,1735689600000123456,240.1,1,1735689600000123456,100,3',
      ],
      ['2025-01-01T00:00:00.000123Z - - 240.1 100 9007199254740993', '! wrong_symbol'],
      { symbol: 'AAPL' },
    ],
    [
      'TrueFX without a slash',
      ['EURUSD,20210301 21:59:59.981,1.50023,1.50054'],
      ['2021-03-01T21:59:59.981000Z 1.50023 1.50054 - - -'],
    ],
    ['semicolons', ['observed_at;bid;ask', '2026-01-05T10:00:00Z;1.1;1.2'], [tick]],
    ['tabs', ['observed_at\tbid\task', '2026-01-05T10:00:00Z\t1.1\t1.2'], [tick]],
    [
      'semicolons and decimal commas',
      ['observed_at;bid;ask', '2026-01-05T10:00:00Z;1,1;1,2', '2026-01-05T10:00:00Z;1.000,1;1,2'],
      [tick, '! number_malformed'],
    ],
    [
      'commas and decimal commas in quotes, when told',
      [header, '"2026-01-05T10:00:00Z","1,1","1,2"'],
      [tick],
      { decimal: ',' },
    ],
    [
      'columns that nobody needs',
      ['observed_at,bid,ask,spread,venue', '2026-01-05T10:00:00Z,1.1,1.2,0.1,x'],
      [tick],
    ],
    [
      'a comma at the end of lines',
      [`${header},`, '2026-01-05T10:00:00Z,1.1,1.2,', '2026-01-05T10:00:00Z,1.1,1.2,,'],
      [tick, tick],
    ],
    [
      'a comma at the end of lines but not of the header',
      [header, '2026-01-05T10:00:00Z,1.1,1.2,'],
      [tick],
    ],
    ["pandas' index", [`,${header}`, '0,2026-01-05T10:00:00Z,1.1,1.2'], [tick]],
    [
      'any columns, when they are named',
      [
        'ticker,id,participant_timestamp,price,size',
        'X,52983575561794,1735689600000123456,240.1,100',
      ],
      ['2025-01-01T00:00:00.000123Z - - 240.1 100 52983575561794'],
      { columns: parseColumns('time=participant_timestamp:ns,last=price,size=size,seq=id') },
    ],
    [
      'any columns, when they are numbered, with another delimiter and a zone',
      ['1.5|2026-07-01 12:00:00|x', '1.6|2026-01-01 12:00:00|x'],
      ['2026-07-01T10:00:00.000000Z 1.5 - - - -', '2026-01-01T11:00:00.000000Z 1.6 - - - -'],
      { columns: parseColumns('time=2,bid=1'), delimiter: '|', zone: 'Europe/Berlin' },
    ],
    [
      'epoch times, when their unit is named',
      ['observed_at,last', '1735689600000,94000.1'],
      ['2025-01-01T00:00:00.000000Z - - 94000.1 - -'],
      { columns: parseColumns('time=observed_at:ms,last=last') },
    ],
    [
      'a layout by its name',
      ['DateTime,Bid,Ask', '01/05/2026 22:00:00.123,1.10001,1.10012'],
      ['2026-01-05T22:00:00.123000Z 1.10001 1.10012 - - -'],
      { layout: 'fxcm' },
    ],
  ])('%s', async (_, lines, expected, options) => {
    expect(short(await read(lines, options))).toEqual(expected);
  });

  it('with the times that a change of clocks leaves out refused, and the hour that comes twice as the first', async () => {
    const lines = [
      'observed_at,bid',
      '2026-03-29 01:59:59,1',
      '2026-03-29 02:30:00,1',
      '2026-03-29 03:00:00,1',
      '2026-10-25 02:30:00,1',
      '2026-10-25 03:30:00,1',
    ];
    expect(short(await read(lines, { zone: 'Europe/Berlin' }))).toEqual([
      '2026-03-29T00:59:59.000000Z 1 - - - -',
      '! time_malformed',
      '2026-03-29T01:00:00.000000Z 1 - - - -',
      '2026-10-25T00:30:00.000000Z 1 - - - -',
      '2026-10-25T02:30:00.000000Z 1 - - - -',
    ]);
  });

  it('and its digits are counted as they are written', async () => {
    const items = await read(['observed_at,last', '2026-01-05T10:00:00Z,0.00000802']);
    expect(items).toMatchObject([{ decimals: 8 }]);
    const lines = [
      'observed_at,bid,ask',
      '2026-01-05T10:00:00Z,1.10000,2',
      '2026-01-05T10:00:00Z,1.5e-3,2E2',
    ];
    expect((await read(lines)).map(item => 'decimals' in item && item.decimals)).toEqual([5, 4]);
  });
});

describe('a file that is no ticks', () => {
  it.each<[string, string[], RegExp, Partial<ReadTicksOptions>?]>([
    [
      'of bars with a header',
      ['time,open,high,low,close', '2026-01-05T10:00:00Z,1,2,1,2'],
      /bars are no ticks/,
    ],
    ["of HistData's minutes", ['20210301 000000;1.5;1.5;1.4;1.4;0'], /bars are no ticks/],
    [
      'of epoch times says which option helps',
      ['observed_at,last', '1735689600000,94000.1', '1735689600001,94000.1'],
      /none of the first 2 lines is a tick: line 2: time "1735689600000" looks like ms since 1970: say so with --columns/,
    ],
    [
      'of times without a zone says so',
      [header, '2026-01-05 10:00:00,1.1,1.2'],
      /"2026-01-05 10:00:00" has no zone: say which with --zone/,
    ],
    [
      'with decimal commas says so',
      [header, '2026-01-05T10:00:00Z,"1,1","1,2"'],
      /bid "1,1" is not a number; a decimal comma needs --decimal ,/,
    ],
    [
      'of another layout than the named one',
      ['DateTime,Bid,Ask', '01/05/2026 22:00:00.123,1.1,1.2'],
      /no known layout/,
      { layout: 'kraken' },
    ],
    [
      'without the columns that are named',
      ['a,b,c', '1,2,3'],
      /no known layout: line 1 is "a,b,c"/,
      { columns: parseColumns('time=when,bid=b') },
    ],
    ['whose price is no side', ['observed_at,bid,price'], /unknown column "price": say --columns/],
  ])('%s', async (_, lines, message, options) => {
    await expect(read(lines, options)).rejects.toThrow(message);
  });

  it('is given up after its first thousand lines, however long it is', async () => {
    let made = 0;
    async function* bytes() {
      yield Buffer.from('observed_at,last\n');
      for (; made < 100; made++) yield Buffer.from('1735689600000,94000.1\n'.repeat(900));
    }
    const items: TickFileItem[] = [];
    const reading = async () => {
      for await (const group of readTicks(bytes(), { symbol: 'X', now })) items.push(...group);
    };
    await expect(reading()).rejects.toThrow(/none of the first 1000 lines is a tick/);
    expect(items).toHaveLength(1_000);
    expect(made).toBeLessThan(5);
  });

  it('is not given up when a tick came, whatever follows', async () => {
    const lines = [header, '2026-01-05T10:00:00Z,1.1,1.2', ...Array(1_500).fill('x,1,2')];
    expect(await read(lines)).toHaveLength(1_501);
  });
});

describe('--columns', () => {
  it.each([
    ['last=price', /no column for time/],
    ['time=at', /no column for bid, ask or last/],
    ['time=at,price=x', /"price=x" is not NAME=COLUMN with a NAME of time, bid/],
    ['time=at:h,bid=b', /only time has a unit, one of s, ms/],
    ['time=at,bid=b,bid=c', /bid is named twice/],
    ['', /is not NAME=COLUMN/],
  ])('%j is refused', (text, message) => {
    expect(() => parseColumns(text)).toThrow(message);
  });
});
