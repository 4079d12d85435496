import { execFile } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Member, zipOf } from '../../../tests/support/archives.ts';
import type { Item, Tick } from '../source.ts';
import { filesOf, type Input, openInput } from './input.ts';
import { createFileSource } from './source.ts';

const header = 'observed_at,bid,ask\n';
const line = (second: number, bid: number) =>
  `2026-01-05T10:00:${String(second).padStart(2, '0')}Z,${bid},${bid + 1}\n`;
const three = header + line(0, 1) + line(1, 2) + line(2, 3);
const a: Member = { name: 'a.csv', content: three };

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresight-files-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function fileOf(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

interface Reading {
  readonly speed?: number;
  readonly asks?: Input;
  readonly signal?: AbortSignal;
  readonly onTicks?: (ticks: readonly Tick[]) => void;
}

async function ticksOf(input: Input, { speed, asks, signal, onTicks }: Reading = {}) {
  const stop = signal ?? new AbortController().signal;
  const source = createFileSource({
    ...{ input, symbol: 'EUR_USD', source: 'replay', speed: speed ?? 'max', after: 0 },
    allowsNegative: false,
    ...(asks && { asks }),
  });
  const wanted = { symbols: ['EUR_USD'], storedUntil: new Map<string, string>(), changed: stop };
  const ticks: Tick[] = [];
  const take = (item: Item): void => {
    if (item.kind === 'rejected') throw new Error(item.rejection.detail);
    if (item.kind !== 'ticks') return;
    ticks.push(...item.ticks);
    onTicks?.(ticks);
  };
  for await (const item of source.follow({ signal: stop, wanted: () => wanted })) take(item);
  return ticks;
}

const bidsOf = async (input: Input, reading?: Reading) =>
  (await ticksOf(input, reading)).map(tick => tick.bid);

/** The three, the last frame of which begins there. */
function framesBefore(place: number): Buffer {
  const frames = [zstdCompressSync(header)];
  const [short, long] = [zstdCompressSync(''), zstdCompressSync('\n')];
  let left = place - Buffer.concat(frames).length;
  while (left > 0) {
    const frame = left % short.length === 0 ? short : long;
    frames.push(frame);
    left -= frame.length;
  }
  expect(left).toBe(0);
  return Buffer.concat([...frames, zstdCompressSync(three.slice(header.length))]);
}

describe('a file is read', () => {
  it.each([
    ['plain', three],
    ['gzip', gzipSync(three)],
    ['zstd', zstdCompressSync(three)],
    [
      'two frames of zstd',
      Buffer.concat([zstdCompressSync(header), zstdCompressSync(three.slice(header.length))]),
    ],
    ['frames of zstd, one of which begins 2 bytes before 8 KB', framesBefore(8_192 - 2)],
    ['zip', zipOf([{ name: 'ticks.csv', content: three }])],
    [
      "zip, beside HistData's report",
      zipOf([
        { name: 'ticks.csv', content: three },
        { name: 'ticks.txt', content: 'status: ok' },
      ]),
    ],
  ])('%s', async (name, content) => {
    const input = await openInput(await fileOf(`${name}.bin`, content));
    expect(await bidsOf(input)).toEqual([1, 2, 3]);
    expect(input.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(input.bytesRead()).toBeGreaterThan(0);
    expect(input.bytesRead()).toBeLessThanOrEqual(input.bytes ?? 0);
  });

  it('from a pipe that has a name, as it comes and without a place to go on from', async () => {
    const path = join(folder, 'pipe');
    await promisify(execFile)('mkfifo', [path]);
    const input = await openInput(path);
    const reading = bidsOf(input);
    await writeFile(path, gzipSync(three));
    expect(await reading).toEqual([1, 2, 3]);
    expect(input.fingerprint).toBeNull();
  });

  it('and what is added to its end, until a stop', async () => {
    const path = await fileOf('growing.csv', three.slice(0, -4));
    const stop = new AbortController();
    const input = await openInput(path, { isFollowed: true });
    let seen = 0;
    const reading = bidsOf(input, { signal: stop.signal, onTicks: ticks => (seen = ticks.length) });
    await expect.poll(() => seen, { timeout: 10_000 }).toBe(2);
    await appendFile(path, three.slice(-4) + line(3, 4));
    await expect.poll(() => seen, { timeout: 10_000 }).toBe(4);
    stop.abort();
    expect(await reading).toEqual([1, 2, 3, 4]);
  });

  it.each([
    [
      'of an archive of several',
      zipOf([a, { ...a, name: 'b.csv' }]),
      /holds 2 files \(a.csv, b.csv\)/,
    ],
    ['of a cut archive', zipOf([a]).subarray(0, 60), /damaged, or cut off/],
    ['with something in it', zipOf([]), /holds no file$/],
    ['of a file in an archive of folders', zipOf([{ name: 'a/', content: '' }]), /holds no file$/],
    ['that is not encrypted', zipOf([{ ...a, flags: 1 }]), /is encrypted: unpack it first$/],
    ['that is deflated', zipOf([{ ...a, method: 93 }]), /is packed by method 93, and/],
    ['of a name inside the archive', zipOf([{ ...a, name: '../a.csv' }]), /damaged, or cut off/],
    ['with its own checksum', zipOf([{ ...a, crc: 7 }]), /archive is damaged: line 4 is/],
    ['as large as it says', zipOf([{ ...a, size: 9 }]), /archive is damaged: line 0 is/],
    ['no larger than it says', zipOf([{ ...a, size: 4e9 }]), /archive is damaged: line 4 is/],
    [
      'of a cut zstd',
      zstdCompressSync(three.repeat(50)).subarray(0, -5),
      /zstd file is (cut off|damaged)/,
    ],
  ])('unless it is one %s', async (name, content, message) => {
    const path = await fileOf(`${name}.bad`, content);
    await expect(openInput(path).then(input => bidsOf(input))).rejects.toThrow(message);
  });

  it('or a folder of them, in the order of their names', async () => {
    const path = join(folder, 'many');
    await mkdir(path);
    for (const name of ['b.csv', 'a.csv.gz', 'c.zip', 'notes.md', 'd.txt']) {
      await writeFile(join(path, name), three);
    }
    expect(await filesOf(path)).toEqual(
      ['a.csv.gz', 'b.csv', 'c.zip', 'd.txt'].map(name => join(path, name)),
    );
    expect(await filesOf('-')).toEqual(['-']);
    await expect(filesOf(join(folder, 'none.csv'))).rejects.toThrow('ENOENT');
  });
});

describe('two files, of bids and of asks,', () => {
  const side = (name: string, rows: readonly (readonly [number, number])[]) =>
    `observed_at,${name}\n${rows.map(([second, price]) => `2026-01-05T10:00:${String(second).padStart(2, '0')}Z,${price}\n`).join('')}`;
  const quotesOf = async (bids: string, asks: string) => {
    const [input, other] = [await fileOf('bids.csv', bids), await fileOf('asks.csv', asks)];
    const ticks = await ticksOf(await openInput(input), { asks: await openInput(other) });
    return ticks.map(
      tick => `${tick.observedAt.slice(17, 19)} ${tick.bid} ${tick.ask} ${tick.copy}`,
    );
  };

  it('become quotes: of one time in pairs, else with the price before it', async () => {
    const bids = side('bid', [
      [0, 1],
      [1, 1.1],
      [1, 1.2],
      [3, 1.3],
    ]);
    const asks = side('ask', [
      [1, 2],
      [1, 2.1],
      [2, 2.2],
      [4, 2.3],
      [4, 2.3],
    ]);
    expect(await quotesOf(bids, asks)).toEqual([
      '00 1 null 1',
      '01 1.1 2 1',
      '01 1.2 2.1 1',
      '02 1.2 2.2 1',
      '03 1.3 2.2 1',
      '04 1.3 2.3 1',
      '04 1.3 2.3 2',
    ]);
  });

  it('are refused when one is not in the order of time', async () => {
    await expect(
      quotesOf(
        side('bid', [[1, 1]]),
        side('ask', [
          [1, 2],
          [0, 2],
        ]),
      ),
    ).rejects.toThrow('line 3 of the asks is older than line 2');
  });
});

describe('at a speed', () => {
  it('a stop in a gap, however long, leaves out the tick that is not due', async () => {
    const rows = ['2026-01-05T10:00:00Z', '2026-01-05T10:00:00.1Z', '2026-01-07T10:00:00Z'];
    // Twice the gap that a timer can wait for.
    for (const last of ['2026-01-07T10:00:00Z', '2026-07-01T10:00:00Z']) {
      const times = [...rows.slice(0, 2), last];
      const path = await fileOf('gap.csv', header + times.map(time => `${time},1,2\n`).join(''));
      const stop = new AbortController();
      const input = await openInput(path);
      const ticks = await ticksOf(input, {
        speed: 2,
        signal: stop.signal,
        onTicks: seen => {
          if (seen.length === 2) setTimeout(() => stop.abort(), 100);
        },
      });
      expect(ticks).toHaveLength(2);
    }
  });
});
