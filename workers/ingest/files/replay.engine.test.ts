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
import { ticksOf } from '../../../tests/support/tick_series.ts';
import { createFeed } from '../feed.ts';
import type { Tick } from '../source.ts';
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
    options: { stopAfterLine?: number; onProgress?: (progress: ReplayProgress) => void } = {},
  ): Promise<ReplayProgress> {
    const file = join(folder, `${symbol}.csv`);
    await writeFile(file, content);
    const stopping = new AbortController();
    return replay({
      file,
      symbol,
      source: 'manual',
      speed: 'max',
      feed,
      logger: testLogger,
      signal: stopping.signal,
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
