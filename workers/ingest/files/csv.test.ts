import { Readable } from 'node:stream';
import { constants, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTicks, TICK_FILE_LAYOUTS, TickFileError, type TickFileItem } from './csv.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
const options = { symbol: 'EUR_USD', now };

async function* chunksOf(bytes: Uint8Array, cuts: readonly number[] = []) {
  const edges = [0, ...cuts.map(cut => cut % (bytes.length + 1)).sort((a, b) => a - b)];
  for (const [index, from] of edges.entries()) yield bytes.subarray(from, edges[index + 1]);
}

async function read(content: string | Uint8Array, cuts: readonly number[] = []) {
  const items: TickFileItem[] = [];
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  for await (const group of readTicks(chunksOf(bytes, cuts), options)) items.push(...group);
  return items;
}

/** As a file is read that can be opened again. */
async function readDamaged(bytes: Uint8Array) {
  const items: TickFileItem[] = [];
  const open = () => chunksOf(bytes);
  let error = '';
  try {
    for await (const group of readTicks(open(), { ...options, reopen: open })) items.push(...group);
  } catch (caught) {
    error = String(caught);
  }
  return { items, error };
}

/** What became of each line, short: `2 ok` or `3 time_malformed`. */
const verdicts = (items: readonly TickFileItem[]) =>
  items.map(item => `${item.line} ${'tick' in item ? 'ok' : item.rejection.reason}`);
const ticksOf = (items: readonly TickFileItem[]) =>
  items.flatMap(item => ('tick' in item ? [item.tick] : []));

const header = 'observed_at,bid,ask,size\n';
const good = '2026-01-01T00:00:00.5Z,1.1,1.2,3\n';

describe('the layouts', () => {
  it('are listed with an example that is recognised', async () => {
    for (const { name, example, description } of TICK_FILE_LAYOUTS) {
      expect(description).not.toBe('');
      const items = await read(`${example}\n`);
      const isHeader = /^[a-z]/i.test(example) && name !== 'truefx';
      expect([name, verdicts(items)]).toEqual([name, isHeader ? [] : ['1 ok']]);
    }
  });

  it('reads columns by their header', async () => {
    const items = await read(`${header}${good}2026-01-01 02:00:01.1234567+02,1,,\n`);
    const tick = { symbol: 'EUR_USD', last: null, seq: null, copy: 1 };
    expect(items).toEqual([
      {
        line: 2,
        decimals: 1,
        tick: { ...tick, observedAt: '2026-01-01T00:00:00.500000Z', bid: 1.1, ask: 1.2, size: 3 },
      },
      {
        line: 3,
        decimals: 0,
        tick: { ...tick, observedAt: '2026-01-01T00:00:01.123456Z', bid: 1, ask: null, size: null },
      },
    ]);
  });

  it('takes the columns in any order, with last and seq, quoted, with blanks around', async () => {
    const items = await read(
      '"Seq", LAST ,size,observed_at\r\n7, 1.5 ,"2",2026-01-01T00:00:00Z\r\n,1.6,,2026-01-01T00:00:00Z',
    );
    expect(ticksOf(items)).toMatchObject([
      { seq: 7, bid: null, ask: null, last: 1.5, size: 2 },
      { seq: null, copy: 1, bid: null, ask: null, last: 1.6, size: null },
    ]);
  });

  it('reads TrueFX in UTC and rejects lines of another pair', async () => {
    const items = await read(
      'EUR/USD,20200101 22:00:00.123,1.12,1.13\nGBP/USD,20200101 22:00:00.123,1.32,1.33\n',
    );
    expect(verdicts(items)).toEqual(['1 ok', '2 wrong_symbol']);
    expect(ticksOf(items)[0]).toMatchObject({
      observedAt: '2020-01-01T22:00:00.123000Z',
      bid: 1.12,
      ask: 1.13,
      size: null,
    });
  });

  it('reads a file that begins with PK, and is no archive', async () => {
    await expect(read('PKR/USD,20200101 22:00:00.123,1.12,1.13\n')).rejects.toThrow(
      /line 1: the line is of "PKR\/USD", not of EUR_USD$/,
    );
  });

  it('reads HistData in Eastern Standard Time all year, and takes its zero volume for no size', async () => {
    const items = await read(
      '20200101 170000065,1.1212,1.12172,0\n20200701 230000065,1.1212,1.12172,0\n',
    );
    expect(ticksOf(items)).toMatchObject([
      { observedAt: '2020-01-01T22:00:00.065000Z', size: null, last: null },
      { observedAt: '2020-07-02T04:00:00.065000Z', size: null, last: null },
    ]);
  });

  it('are found behind a broken beginning, whose lines are rejected', async () => {
    expect(verdicts(await read(`exported today\n\n${header}${good}`))).toEqual([
      '1 wrong_columns',
      '4 ok',
    ]);
    expect(verdicts(await read('x\n20200101 170000065,1,2,0\n'))).toEqual([
      '1 wrong_columns',
      '2 ok',
    ]);
  });

  it('say clearly when none fits', async () => {
    const other = '20200101 170000;1.12;1.13;1.11\n';
    await expect(read(other)).rejects.toThrow(TickFileError);
    await expect(read(other)).rejects.toThrow(/no known layout: line 1 is "20200101 170000;1/);
    await expect(read('a,b\n'.repeat(1_000))).rejects.toThrow(/no known layout/);
    await expect(read('x'.repeat(100_000))).rejects.toThrow(/no known layout/);
    await expect(read('observed_at,bid,price\n')).rejects.toThrow(
      /line 1 .*unknown column "price"/,
    );
    await expect(read('observed_at,bid,bid\n')).rejects.toThrow(/appears twice/);
    await expect(read('observed_at,size\n')).rejects.toThrow(/none of the columns/);
  });

  it('give nothing for an empty file and for a header alone', async () => {
    expect(await read('')).toEqual([]);
    expect(await read('\n\n')).toEqual([]);
    expect(await read(header)).toEqual([]);
  });
});

describe('a bad line', () => {
  it.each([
    ['2026-01-01T00:00:00Z,1.1', 'wrong_columns'],
    ['2026-01-01T00:00:00Z,1,12,1,13', 'wrong_columns'],
    ['2026-01-01T00:00:00Z,"1,12",1.2,', 'number_malformed'],
    ['2026-01-01T00:00:00Z,0x1,1.2,', 'number_malformed'],
    ['2026-01-01T00:00:00Z,NaN,1.2,', 'number_malformed'],
    ['2026-01-01T00:00:00Z,1e309,1.2,', 'price_not_finite'],
    ['2026-01-01T00:00:00Z,0,1.2,', 'price_not_positive'],
    ['2026-01-01T00:00:00Z,1.1,-1.2,', 'price_not_positive'],
    ['2026-01-01T00:00:00Z,,,5', 'no_price'],
    ['2026-01-01T00:00:00Z,1.1,1.2,-5', 'size_negative'],
    ['2026-01-01T00:00:00,1.1,1.2,', 'time_malformed'],
    ['2026-02-30T00:00:00Z,1.1,1.2,', 'time_malformed'],
    ['1767225600,1.1,1.2,', 'time_malformed'],
    [',1.1,1.2,', 'time_malformed'],
    ['1969-12-31T23:59:59Z,1.1,1.2,', 'time_before_1970'],
    ['2026-03-02T00:00:00Z,1.1,1.2,', 'time_in_future'],
    ['"2026-01-01T00:00:00Z,1.1,1.2,', 'malformed'],
    ['2026-01-01T00:00:00Z,1.1"x,1.2,', 'malformed'],
    ['x'.repeat(10_001), 'line_too_long'],
  ])('%.50j is rejected as %s, and its neighbours are kept', async (line, reason) => {
    const items = await read(`${header}${good}${line}\n${good}`);
    expect(verdicts(items)).toEqual(['2 ok', `3 ${reason}`, '4 ok']);
    const [, item] = items;
    if (item === undefined || 'tick' in item) throw new Error('not rejected');
    expect(item.rejection.symbol).toBe('EUR_USD');
    expect(item.rejection.raw).toBe(line.slice(0, 1_000));
  });

  it('with a zero character is rejected in a form that the database can keep', async () => {
    const [item] = (await read(`${header}${good.repeat(50)}2026-01-01T00:00:00Z,1\0,2,\n`)).slice(
      -1,
    );
    if (item === undefined || 'tick' in item) throw new Error('not rejected');
    expect(item.rejection.reason).toBe('number_malformed');
    expect(item.rejection.raw).toBe('2026-01-01T00:00:00Z,1\uFFFD,2,');
  });

  it('with an open quote takes no line after it along, not even one that closes it', async () => {
    const items = await read(`${header}${good}"x\ny",1,2,\n${good}`);
    expect(verdicts(items)).toEqual(['2 ok', '3 malformed', '4 malformed', '5 ok']);
  });

  it('with a seq that is out of range or no number is rejected', async () => {
    const lines = ['-1', '1.5', '9223372036854775808', 'x', '9223372036854775807', '12'];
    const rows = lines.map(seq => `2026-01-01T00:00:00Z,1,${seq}\n`).join('');
    const items = await read(`observed_at,last,seq\n${rows}`);
    expect(verdicts(items)).toEqual([
      '2 seq_out_of_range',
      '3 seq_out_of_range',
      '4 seq_out_of_range',
      '5 number_malformed',
      '6 ok',
      '7 ok',
    ]);
    expect(ticksOf(items).map(tick => tick.seq)).toEqual([2n ** 63n - 1n, 12]);
  });

  it('of any length costs no memory', async () => {
    async function* huge() {
      yield Buffer.from(header);
      for (let index = 0; index < 400; index++) yield Buffer.alloc(1_000_000, 'x');
      yield Buffer.from(`\n${good}`);
    }
    const before = process.memoryUsage().heapUsed;
    const items: TickFileItem[] = [];
    for await (const group of readTicks(huge(), options)) items.push(...group);
    expect(verdicts(items)).toEqual(['2 line_too_long', '3 ok']);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(200_000_000);
  });
});

describe('the identity of a tick', () => {
  it('is the count of its time and content, where the layout has no sequence', async () => {
    const time = '20200101 170000065';
    const file = `${time},1,2,0\n${time},3,4,0\n${time},bad,4,0\n${time},3.0,4,0\n20200101 170000066,1,2,0\n${time},5,6,0\n${time},1,2,0\n`;
    const items = await read(file);
    expect(ticksOf(items).map(tick => tick.copy)).toEqual([1, 1, 2, 1, 1, 2]);
    expect(ticksOf(items).every(tick => tick.seq === null)).toBe(true);
    expect(await read(file)).toEqual(items);
  });

  it('is the same however the file comes in, packed or not', async () => {
    const rows = Array.from({ length: 200 }, (_, index) => {
      const second = String(Math.floor(index / 7)).padStart(2, '0');
      return index % 31 === 5 ? '"open quote' : `2026-01-01T00:00:${second}Z,${index + 1},,`;
    });
    const plain = Buffer.from(`\uFEFF${header}${rows.join('\r\n')}`);
    const whole = await read(plain);
    expect(whole).toHaveLength(200);
    const halves = [plain.subarray(0, 1_000), plain.subarray(1_000)];
    const forms = {
      plain,
      gzip: gzipSync(plain),
      'two gzip members': Buffer.concat(halves.map(half => gzipSync(half))),
    };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('plain', 'gzip', 'two gzip members'),
        fc.array(fc.nat(), { maxLength: 12 }),
        async (form, cuts) => {
          expect(await read(forms[form], cuts)).toEqual(whole);
        },
      ),
    );
  });
});

describe('a file as a whole', () => {
  it('is refused when it is not UTF-8 text', async () => {
    const utf16 = Buffer.from(`\uFEFF${header}${good}`, 'utf16le');
    const zip = Buffer.from('PK\x03\x04 whatever');
    const binary = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0]);
    await expect(read(utf16)).rejects.toThrow(/UTF-16 text/);
    await expect(read(utf16.subarray(2))).rejects.toThrow(/binary or UTF-16/);
    await expect(read(Buffer.from(utf16).swap16())).rejects.toThrow(/UTF-16 text/);
    await expect(read(zip)).rejects.toThrow(/ZIP archive/);
    await expect(read(binary)).rejects.toThrow(/binary/);
    await expect(read(gzipSync(utf16))).rejects.toThrow(/UTF-16 text/);
    await expect(read(utf16, [1])).rejects.toThrow(TickFileError);
  });

  it('keeps all lines before the cut of a gzip file and names the last one', async () => {
    const rows = Array.from({ length: 30_000 }, (_, index) => {
      const millisecond = String(index % 1_000).padStart(3, '0');
      return `20200101 1700${String(Math.floor(index / 1_000)).padStart(2, '0')}${millisecond},1.${(index * 7_919) % 99_991},2,0\n`;
    });
    const packed = gzipSync(rows.join(''));
    for (const length of [packed.length - 1, packed.length - 9, packed.length >> 1, 30]) {
      const items: TickFileItem[] = [];
      const reading = async () => {
        const chunks = chunksOf(packed.subarray(0, length), [1, 5_000, 70_000]);
        for await (const group of readTicks(chunks, options)) {
          items.push(...group);
          await new Promise(resolve => setTimeout(resolve, 1));
        }
      };
      const error = await reading().then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(TickFileError);
      const last = items.at(-1)?.line ?? 0;
      if (length > packed.length - 10) expect(last).toBe(30_000);
      if (items.length > 0) {
        expect(String(error)).toBe(
          `TickFileError: the gzip file is cut off: line ${last} is the last whole one`,
        );
      }
    }
  });

  it('that is damaged inside its gzip gives every line before the damage and names the last one', async () => {
    const rows = Array.from({ length: 20_000 }, (_, index) => {
      const millisecond = String(index % 1_000).padStart(3, '0');
      return `2026-01-01T00:00:${String(Math.floor(index / 1_000)).padStart(2, '0')}.${millisecond}Z,1.${(index * 7_919) % 99_991},,\n`;
    });
    const packed = gzipSync(header + rows.join(''));
    for (const share of [0.1, 0.5, 0.9]) {
      const at = Math.floor(packed.length * share);
      const damaged = Buffer.from(packed);
      damaged.fill(0xff, at, at + 20);
      // What was packed before the damage, to the last byte that can be unpacked.
      const before = gunzipSync(packed.subarray(0, at), { finishFlush: constants.Z_SYNC_FLUSH });
      const whole = before.toString().split('\n').length - 1;
      const { items, error } = await readDamaged(damaged);
      const last = items.at(-1)?.line ?? 0;
      expect(last).toBeGreaterThanOrEqual(whole);
      expect(items.slice(0, whole - 1).every(item => 'tick' in item)).toBe(true);
      expect(error).toBe(
        `TickFileError: the gzip file is damaged: line ${last} is the last whole one`,
      );
    }
  });

  it('whose gzip is followed by zeros is read to its end, as gzip reads it', async () => {
    const packed = gzipSync(header + good.repeat(2_000));
    for (const zeros of [1, 7, 8, 512, 100_000]) {
      for (const members of [1, 2]) {
        const padded = Buffer.concat([
          ...Array.from({ length: members }, () => packed),
          Buffer.alloc(zeros),
        ]);
        const { items, error } = await readDamaged(padded);
        expect(error).toBe('');
        // The header comes again as a line that is no tick.
        expect(items).toHaveLength(members === 1 ? 2_000 : 4_001);
      }
    }
  });

  it('with any bytes behind or inside its gzip ends with all lines before them', async () => {
    const packed = gzipSync(header + good.repeat(3_000));
    let tried = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.option(fc.nat(packed.length - 1), { nil: undefined }),
        async (bytes, at) => {
          tried += 1;
          const file = at === undefined ? Buffer.concat([packed, bytes]) : Buffer.from(packed);
          if (at !== undefined) file.set(bytes.subarray(0, packed.length - at), at);
          const { items, error } = await readDamaged(file);
          expect(error === '' || error.startsWith('TickFileError: ')).toBe(true);
          if (at === undefined) expect(items.length).toBeGreaterThanOrEqual(3_000);
          // Without any tick it is the header, or nothing.
          if (error.includes('whole one') && items.length > 0) {
            expect(error).toContain(`line ${items.at(-1)?.line} is the last`);
          }
        },
      ),
      { seed: 16, numRuns: 150 },
    );
    expect(tried).toBeGreaterThanOrEqual(150);
  });

  it('passes the error of its stream on', async () => {
    async function* failing() {
      yield Buffer.from(header + good);
      throw new Error('disk on fire');
    }
    const reading = async () => {
      for await (const group of readTicks(failing(), options)) expect(group).toHaveLength(1);
    };
    await expect(reading()).rejects.toThrow('disk on fire');
  });

  it('is read no faster than it is asked for, and closed when the caller stops', async () => {
    let sent = 0;
    const stream = Readable.from(
      (async function* () {
        yield header;
        for (;;) {
          sent += 1;
          yield good.repeat(1_000);
        }
      })(),
      { objectMode: false },
    );
    for await (const group of readTicks(stream, options)) {
      if (group.length > 0) break;
    }
    expect(stream.destroyed).toBe(true);
    expect(sent).toBeLessThan(20);
  });
});
