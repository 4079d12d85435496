import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectCandlesOf } from '../../../tests/support/candles.ts';
import {
  addInstrument,
  capture,
  describeOnEngine,
  testLogger,
} from '../../../tests/support/database.ts';
import { createRandom } from '../../../tests/support/random.ts';
import { ticksOf } from '../../../tests/support/tick_series.ts';
import { createFeed } from '../feed.ts';
import type { Tick } from '../source.ts';
import { openInput } from './input.ts';
import { type ReplayProgress, replay } from './replay.ts';

/** Times in whole milliseconds: no layout but the one with a header has more. */
function ticksIn(symbol: string, count: number): Tick[] {
  return ticksOf(symbol, count).map(tick => ({
    ...tick,
    observedAt: `${tick.observedAt.slice(0, 23)}000Z`,
    seq: 0,
  }));
}

const compact = (time: string): string => time.slice(0, 23).replace(/[-:]/g, '').replace('T', ' ');
/** US Eastern Standard Time all year. */
const eastern = (time: string): string =>
  compact(new Date(Date.parse(time) - 5 * 3_600_000).toISOString()).replace('.', '');

const layouts: Record<string, (ticks: readonly Tick[]) => string> = {
  header: ticks =>
    ['observed_at,bid,ask', ...ticks.map(t => `${t.observedAt},${t.bid},${t.ask}`)].join('\n'),
  truefx: ticks =>
    ticks
      .map(({ observedAt, bid, ask }) => {
        const [day, clock = ''] = compact(observedAt).split(' ');
        const time = `${clock.slice(0, 2)}:${clock.slice(2, 4)}:${clock.slice(4)}`;
        return `EUR/USD,${day} ${time},${bid},${ask}`;
      })
      .join('\n'),
  histdata: ticks => ticks.map(t => `${eastern(t.observedAt)},${t.bid},${t.ask},0`).join('\n'),
};

describeOnEngine('a replay', ({ sql }) => {
  const feed = createFeed(sql);
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foresight-replay-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function run(
    symbol: string,
    content: string | Buffer,
    options: {
      stopAfterLine?: number;
      onProgress?: (progress: ReplayProgress) => void;
      prepare?: () => Promise<void>;
    } = {},
  ): Promise<ReplayProgress> {
    const file = join(folder, `${symbol}.csv`);
    await writeFile(file, content);
    const stopping = new AbortController();
    return replay({
      input: await openInput(file),
      symbol,
      source: 'manual',
      speed: 'max',
      feed,
      logger: testLogger,
      signal: stopping.signal,
      ...(options.prepare && { prepare: options.prepare }),
      onProgress: progress => {
        options.onProgress?.(progress);
        const { line } = progress;
        if (line >= (options.stopAfterLine ?? Number.POSITIVE_INFINITY)) stopping.abort();
      },
    });
  }

  it.each([
    ['header', 'plain'],
    ['truefx', 'plain'],
    ['histdata', 'gzip'],
  ])(
    'of a file in layout %s, %s, gives the ticks that are in it, and a second one no more',
    async (layout, packing) => {
      // TrueFX names the pair in each line.
      const symbol = layout === 'truefx' ? 'EUR_USD' : await addInstrument(sql);
      await sql`select feed.add_instrument(${symbol}, 'manual')`;
      const ticks = ticksIn(symbol, 400);
      const text = layouts[layout]?.(ticks) ?? '';
      const content = packing === 'gzip' ? gzipSync(text) : text;
      expect(await run(symbol, content)).toMatchObject({ stored: 400, duplicate: 0, rejected: 0 });
      await capture(sql);
      await expectCandlesOf(sql, symbol, ticks);
      expect(await run(symbol, content)).toMatchObject({
        stored: 0,
        duplicate: 400,
        resumedAfter: 0,
      });
    },
  );

  it('that is interrupted goes on after the stored line', async () => {
    const symbol = await addInstrument(sql);
    const ticks = ticksIn(symbol, 12_000);
    const text = layouts.header?.(ticks) ?? '';
    const first = await run(symbol, text, { stopAfterLine: 5_000 });
    expect(first.stored).toBeGreaterThanOrEqual(5_000);
    expect(first.stored).toBeLessThan(12_000);
    const second = await run(symbol, text);
    expect(second).toMatchObject({ resumedAfter: first.line, duplicate: 0 });
    expect(first.stored + second.stored).toBe(12_000);
    const [row] = await sql`select count(*)::int as ticks from feed.ticks
      where instrument_id = feed.instrument_id(${symbol})`;
    expect(row?.ticks).toBe(12_000);
  });

  it('of a damaged file stores every line before the damage, tells it, and names the last one', async () => {
    const symbol = await addInstrument(sql);
    const packed = gzipSync(layouts.header?.(ticksIn(symbol, 9_000)) ?? '');
    packed.fill(0xff, packed.length >> 1, (packed.length >> 1) + 20);
    let told: ReplayProgress | undefined;
    const error: unknown = await run(symbol, packed, {
      onProgress: progress => {
        told = progress;
      },
    }).catch((reason: unknown) => reason);
    const stored = await sql<{ ticks: number }[]>`select count(*)::int as ticks from feed.ticks
      where instrument_id = feed.instrument_id(${symbol})`;
    expect(stored[0]?.ticks).toBeGreaterThan(3_000);
    expect(told?.stored).toBe(stored[0]?.ticks);
    expect(String(error)).toBe(
      `TickFileError: the gzip file is damaged: line ${told?.line} is the last whole one`,
    );
  });

  const storedOf = async (symbol: string) => {
    const rows = await sql<{ row: string }[]>`
      select concat_ws(' ', to_char(observed_at, 'SS.MS'), bid, ask, last, size) as row from feed.ticks
      where instrument_id = feed.instrument_id(${symbol}) order by observed_at, seq`;
    return rows.map(({ row }) => row);
  };
  const linesOf = (header: string, rows: readonly string[]) =>
    `${header}\n${rows.map(row => `2026-01-08T${row}\n`).join('')}`;

  it('keeps all trades without an id of one time, apart in the file or in two that overlap', async () => {
    const trades = 'observed_at,last,size';
    const [t1, t2] = ['11:00:00.100Z', '11:00:00.200Z'];
    const apart = linesOf(trades, [
      ...[`${t1},100,1`, `${t2},101,1`, `${t1},102,1`, `${t2},103,1`, `${t1},100,1`],
    ]);
    const overlap = linesOf(trades, [`${t2},101,1`, `${t2},103,1`, `${t2},104,5`]);
    const symbol = await addInstrument(sql);
    const none = { conflicting: 0, rejected: 0 };
    expect(await run(symbol, apart)).toMatchObject({ stored: 5, duplicate: 0, ...none });
    expect(await run(symbol, overlap)).toMatchObject({ stored: 1, duplicate: 2, ...none });
    expect(await run(symbol, apart)).toMatchObject({ stored: 0, duplicate: 5, ...none });
    expect(await run(symbol, overlap)).toMatchObject({ stored: 0, duplicate: 3, ...none });
    expect(await storedOf(symbol)).toEqual([
      '00.100 100 1',
      '00.100 102 1',
      '00.100 100 1',
      '00.200 101 1',
      '00.200 103 1',
      '00.200 104 5',
    ]);
  });

  it('of shuffled lines over several batches keeps each, and a second one stores nothing', async () => {
    const symbol = await addInstrument(sql);
    const random = createRandom(16);
    const rows = Array.from({ length: 11_000 }, () => {
      const second = String(random.int(0, 59)).padStart(2, '0');
      return `12:00:${second}.${random.int(100, 109)}Z,${random.int(1, 9)},1`;
    });
    const text = linesOf('observed_at,last,size', rows);
    const all = { conflicting: 0, rejected: 0 };
    expect(await run(symbol, text)).toMatchObject({ stored: 11_000, duplicate: 0, ...all });
    expect(await run(symbol, text)).toMatchObject({ stored: 0, duplicate: 11_000, ...all });
    const byTime = rows.map(row => row.slice(6).replace('Z,', ' ').replace(',', ' '));
    byTime.sort((a, b) => Number(a.slice(0, 6)) - Number(b.slice(0, 6)));
    expect(await storedOf(symbol)).toEqual(byTime);
  });

  it('of the bids and then of the asks of the same times keeps both', async () => {
    const symbol = await addInstrument(sql);
    const all = { stored: 2, duplicate: 0, conflicting: 0 };
    const times = ['10:00:00Z', '10:00:01Z'];
    const file = (side: string, price: number) =>
      linesOf(
        `observed_at,${side}`,
        times.map(time => `${time},${price}`),
      );
    expect(await run(symbol, file('bid', 1.1))).toMatchObject(all);
    expect(await run(symbol, file('ask', 1.2))).toMatchObject(all);
    expect(await storedOf(symbol)).toEqual([
      '00.000 1.1',
      '00.000 1.2',
      '01.000 1.1',
      '01.000 1.2',
    ]);
  });

  it('keeps ids beyond 2^53 exactly, in their order', async () => {
    const symbol = await addInstrument(sql);
    const ids = ['9007199254740993', '52983575561794', '9223372036854775807', '9007199254740992'];
    const text = linesOf(
      'observed_at,last,seq',
      ids.map((id, index) => `10:00:00Z,${100 + index},${id}`),
    );
    expect(await run(symbol, text)).toMatchObject({ stored: 4 });
    expect(await run(symbol, text)).toMatchObject({ stored: 0, duplicate: 4 });
    await capture(sql);
    const [candle] = await sql`select open, close from feed.candles(${symbol}, '1s', 'last')`;
    expect(candle).toEqual({ open: 101, close: 102 });
  });

  it('of a file without any tick makes nothing and says what is wrong', async () => {
    let isPrepared = false;
    const prepare = async () => {
      isPrepared = true;
    };
    const text = linesOf('observed_at,last', []) + '1735689600000,94000.1\n'.repeat(5_000);
    await expect(run('NOT_THERE', text, { prepare })).rejects.toThrow(
      /none of the first 1000 lines is a tick: line 2: time "1735689600000" looks like ms/,
    );
    expect(isPrepared).toBe(false);
    const [row] =
      await sql`select count(*)::int from feed.rejected_ticks where symbol = 'NOT_THERE'`;
    expect(row).toEqual({ count: 0 });
  });

  it('of a pipe stores what came at once together, refused lines among it too', async () => {
    const symbol = await addInstrument(sql);
    const pieces = [0, 1, 2].map(minute => {
      const rows = ticksIn(symbol, 300).map(({ observedAt, bid, ask }, n) =>
        n % 3 === 1 ? 'x' : `${observedAt.replace('T10', `T1${minute}`)},${bid},${ask}`,
      );
      return Buffer.from(`${minute === 0 ? 'observed_at,bid,ask\n' : ''}${rows.join('\n')}\n`);
    });
    let flushes = 0;
    const done = await replay({
      input: {
        ...{ name: 'a pipe', fingerprint: null, bytes: null, bytesRead: () => 0 },
        async *open() {
          yield* pieces;
        },
      },
      ...{ symbol, source: 'manual', speed: 'max', feed, logger: testLogger },
      signal: new AbortController().signal,
      onProgress: () => {
        flushes += 1;
      },
    });
    expect(done).toMatchObject({ stored: 600, rejected: 300, duplicate: 0, conflicting: 0 });
    // And one at the end.
    expect(flushes).toBe(4);
  });

  it('shows as many digits as the file has, and never fewer than before', async () => {
    const symbol = await addInstrument(sql);
    const precision = async () => {
      const [row] =
        await sql`select price_precision from feed.instruments where symbol = ${symbol}`;
      return row?.price_precision;
    };
    await run(symbol, linesOf('observed_at,last', ['10:00:00Z,0.00000802']));
    expect(await precision()).toBe(8);
    await run(symbol, linesOf('observed_at,last', ['10:00:01Z,1.5']));
    expect(await precision()).toBe(8);
  });

  it('takes prices of zero and below only where they are allowed, and names the lines where not', async () => {
    const lines = linesOf('observed_at,last', [
      '10:00:00Z,10.25',
      '10:00:01Z,-37.63',
      '10:00:02Z,0',
    ]);
    const refused = await run(await addInstrument(sql), lines);
    expect(refused).toMatchObject({ stored: 1, rejected: 2 });
    expect(refused.rejections.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
      '3 price_not_positive',
      '4 price_not_positive',
    ]);
    const symbol = await addInstrument(sql);
    await feed.allowNegative(symbol, 'manual');
    expect(await run(symbol, lines)).toMatchObject({ stored: 3, rejected: 0 });
  });

  it('counts malformed lines and names each by its number', async () => {
    const symbol = await addInstrument(sql);
    const [one, two] = ticksIn(symbol, 2).map(t => `${t.observedAt},${t.bid},${t.ask}`);
    const text = ['observed_at,bid,ask', one, 'garbage', '2026-01-01T00:00:00Z,-1,1', two].join(
      '\n',
    );
    const done = await run(symbol, text);
    expect(done).toMatchObject({ stored: 2, rejected: 2 });
    expect(done.rejections.map(rejection => rejection.line)).toEqual([3, 4]);
    const kept = await sql<{ detail: string }[]>`
      select detail from feed.rejected_ticks where symbol = ${symbol} order by rejected_tick_id`;
    expect(kept.map(row => row.detail.split(':')[0])).toEqual(['line 3', 'line 4']);
  });
});
