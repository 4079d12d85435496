import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { openDatabase, type Sql } from '../../db/runtime/database.ts';
import {
  type Among,
  hostileLines,
  WRITINGS,
  type Writing,
  writeHostileFile,
} from '../../tests/support/hostile_files.ts';
import { usedMemory } from '../../tests/support/memory.ts';
import { createFeed } from '../../workers/ingest/feed.ts';
import { openInput } from '../../workers/ingest/files/input.ts';
import { type ReplayProgress, replay } from '../../workers/ingest/files/replay.ts';
import type { FileLayout } from '../../workers/ingest/files/source.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import { labLogger } from '../harness/server.ts';
import type { Database } from './database.ts';
import { type Figure, median } from './figures.ts';
import { copyTicks, marketTicks, openClient, toCopyText } from './ticks.ts';

const source = 'files';
/** Of the bad lines that are made of a good one. */
const shortTick = { time: 0, bid: '1', ask: '1', last: '1', size: '1', seq: '1' };
const perSecond = 10;

/** A file, as the command of the README reads it, with a progress that nobody sees. */
async function read(sql: Sql, symbol: string, path: string, reading: FileLayout = {}) {
  const startedAt = performance.now();
  const feed = createFeed(sql);
  const done: ReplayProgress = await replay({
    input: await openInput(path),
    ...{ symbol, source, reading, speed: 'max', feed, logger: labLogger },
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  return { ...done, seconds: (performance.now() - startedAt) / 1_000 };
}

type Write = (ticks: readonly Tick[]) => string;

const writings: Readonly<Record<string, Write>> = {
  'quotes without ids': ticks =>
    ['observed_at,bid,ask', ...ticks.map(t => `${t.observedAt},${t.bid},${t.ask}`)].join('\n'),
  'trades with ids': ticks =>
    [
      'observed_at,last,size,seq',
      ...ticks.map((t, index) => `${t.observedAt},${t.bid},0.25,${index}`),
    ].join('\n'),
};

/**
 * Lines a second of plain files of one instrument, beside a COPY of the same ticks, in turns; and of files of each
 * layout with nearly a third of the lines bad, which have to come to what their writer says of them. One of these is
 * long, as only that tells whether memory stays flat; the others tell a rate.
 */
export async function measureFiles(database: Database, isQuick: boolean): Promise<Figure[]> {
  const own = openDatabase({
    url: database.url,
    process: 'bench files',
    logger: labLogger,
    statementTimeout: 0,
  });
  const folder = await mkdtemp(join(tmpdir(), 'foresight-bench-files-'));
  try {
    await createFeed(own).registerSource(
      { name: source, isSimulated: false, description: '' },
      false,
    );
    return [
      ...(await measureGood(database, own, folder, isQuick)),
      ...(await measureBad(own, folder, isQuick)),
    ];
  } finally {
    await own.end({ timeout: 2 });
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureGood(
  { sql, url }: Database,
  own: Sql,
  folder: string,
  isQuick: boolean,
): Promise<Figure[]> {
  const client = await openClient(url);
  const count = isQuick ? 50_000 : 250_000;
  const rates = new Map<string, number[]>();
  const keep = (name: string, rate: number) => rates.set(name, [...(rates.get(name) ?? []), rate]);
  try {
    // The first round only warms up.
    for (let round = 0; round <= (isQuick ? 1 : 3); round++) {
      for (const [name, write] of Object.entries<Write | null>({
        ...writings,
        'COPY feed.ticks': null,
      })) {
        const symbol = `${name.replaceAll(/\W/g, '').toUpperCase().slice(0, 20)}.${round}`;
        const [row] = await sql<[{ id: number }]>`
          select feed.add_instrument(${symbol}, ${source}) as id`;
        const from = (Date.now() - 20 * 86_400_000) * 1_000;
        const ticks = marketTicks({ symbols: [symbol], from, count, perSecond });
        let seconds = 0;
        if (write === null) {
          const text = toCopyText(ticks, new Map([[symbol, row.id]]));
          const startedAt = performance.now();
          await copyTicks(client, 'feed.ticks', text);
          seconds = (performance.now() - startedAt) / 1_000;
        } else {
          const path = join(folder, symbol);
          await writeFile(path, write(ticks));
          const done = await read(own, symbol, path);
          if (done.stored !== count) throw new Error(`${done.stored} of ${count} ticks were new`);
          seconds = done.seconds;
        }
        if (round > 0) keep(name, count / seconds);
      }
    }
  } finally {
    await client.end();
  }
  const rate = (name: string) => median(rates.get(name) ?? []);
  return [...rates].flatMap(([name, samples]): Figure[] => [
    { part: 'files', name, unit: 'lines/s', value: rate(name), samples },
    { part: 'files', name, unit: 'of COPY', value: rate(name) / rate('COPY feed.ticks') },
  ]);
}

async function measureBad(own: Sql, folder: string, isQuick: boolean): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [place, writing] of WRITINGS.entries()) {
    const symbol = `BAD${place}_USD`;
    await own`select feed.add_instrument(${symbol}, ${source})`;
    const isLong = place === 0;
    const path = join(folder, symbol);
    const length = isQuick ? 10_000 : isLong ? 1_000_000 : 50_000;
    const wanted = await writeBad(path, writing, symbol, length);
    // Buffers that nothing needs any more go a while after the garbage is collected.
    usedMemory();
    await sleep(isLong ? 1_000 : 0);
    const before = usedMemory();
    let most = before;
    const look = isLong
      ? setInterval(() => {
          most = Math.max(most, usedMemory());
        }, 1_000)
      : undefined;
    const done = await read(own, symbol, path, writing.reading);
    clearInterval(look);
    if (isLong) most = Math.max(most, usedMemory());
    for (const fate of FATES) {
      if (done[fate] !== wanted[fate])
        throw new Error(`${writing.name}: ${done[fate]} ${fate}, not ${wanted[fate]}`);
    }
    const count = FATES.reduce((sum, fate) => sum + wanted[fate], 0);
    const percent = ((100 * done.rejected) / count).toFixed(0);
    const lines = count.toLocaleString('en-US', { maximumSignificantDigits: 2 });
    const name = `${writing.name}, ${lines} lines, ${percent} % bad`;
    figures.push({ part: 'files', name, unit: 'lines/s', value: count / done.seconds });
    if (isLong) {
      const value = (most - before) / 1e6;
      figures.push({ part: 'files', name: `${name}: memory`, unit: 'MB more', value });
    }
    await rm(path);
  }
  return figures;
}

const FATES = ['stored', 'duplicate', 'conflicting', 'rejected'] as const;
type Fates = Record<(typeof FATES)[number], number>;

/**
 * Only how many lines must have which fate is kept of the file: to look at the memory of a million lines would take
 * longer than to read them.
 */
async function writeBad(
  path: string,
  writing: Writing,
  symbol: string,
  length: number,
): Promise<Fates> {
  const bad = fc
    .sample(hostileLines, { seed: 16, numRuns: 2_000 })
    .filter(
      line =>
        !['stored', 'nothing', null].includes(line.fate(writing)) &&
        line.write({ writing, symbol, tick: shortTick }).length < 20_000,
    );
  const among = Array.from({ length }, (_, index): Among => {
    const turn = (index * 7) % 20;
    return turn < 13 ? 'good' : turn < 14 ? 'again' : (bad[index % bad.length] ?? 'good');
  });
  const contents = { lead: [], among, prices: ['1.25', '0.00000802', '1174.5'], ends: ['\n'] };
  const { bytes, fates } = writeHostileFile(writing, symbol, contents);
  await writeFile(path, bytes);
  const wanted: Fates = { stored: 0, duplicate: 0, conflicting: 0, rejected: 0 };
  for (const { fate } of fates) {
    if (fate === 'stored' || fate === 'duplicate') wanted[fate] += 1;
    else if (fate === 'conflict') wanted.conflicting += 1;
    else wanted.rejected += 1;
  }
  return wanted;
}
