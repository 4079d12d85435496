import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, crc32, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { printable } from '../db/runtime/logger.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { openInput } from '../workers/ingest/files/input.ts';
import { type ReplayProgress, replay } from '../workers/ingest/files/replay.ts';
import type { FileLayout } from '../workers/ingest/files/source.ts';
import { pack, packings, zipOf } from './support/archives.ts';
import { describeOnEngine, testLogger } from './support/database.ts';
import {
  type Fate,
  hostileContents,
  storedTicks,
  WRITINGS,
  writeHostileFile,
} from './support/hostile_files.ts';
import { usedMemory } from './support/memory.ts';

const FILES_PER_LAYOUT = 4;

describeOnEngine('A hostile file', ({ sql }) => {
  const feed = createFeed(sql);
  let folder = '';
  let files = 0;
  let inputs = 0;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foresight-hostile-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** An instrument of a source of its own, so that what is counted is of its files alone. */
  async function addOwn() {
    files += 1;
    const own = { source: `files_${files}`, symbol: `F${files + 100}_USD` };
    const described = { name: own.source, isSimulated: false, description: '' };
    await feed.registerSource(described, false);
    await feed.addInstrument(own.source, {
      symbol: own.symbol,
      description: '',
      pricePrecision: 0,
    });
    return own;
  }
  type Own = Awaited<ReturnType<typeof addOwn>>;

  /** What it came to, with the error that ended it. */
  async function run(own: Own, bytes: Uint8Array, reading: FileLayout = {}) {
    const path = join(folder, own.source);
    await writeFile(path, bytes);
    let told: ReplayProgress | undefined;
    let error = '';
    try {
      told = await replay({
        ...own,
        input: await openInput(path),
        reading,
        speed: 'max',
        feed,
        logger: testLogger,
        signal: new AbortController().signal,
        onProgress: progress => {
          told = progress;
        },
      });
    } catch (caught) {
      error = String(caught);
      // Anything else would end the command with a stack.
      expect(error).toMatch(/^TickFileError: /);
      expect(error).toBe(printable(error));
    }
    const none = { stored: 0, duplicate: 0, conflicting: 0, rejected: 0 };
    return { ...none, line: 0, rejections: [], ...told, error };
  }

  const storedOf = ({ symbol }: Own) =>
    storedTicks(async (text, values) => [...(await sql.unsafe(text, values))], symbol);

  async function refusedOf({ source }: Own) {
    const kept = await sql<{ symbol: string; reason: string; detail: string; raw: string }[]>`
      select symbol, reason, detail, raw from feed.rejected_ticks
      where source = ${source} order by rejected_tick_id`;
    const counts = await sql<{ reason: string; count: number }[]>`
      select reason, sum(count)::int as count from feed.rejections
      where source = ${source} group by reason order by reason collate "C"`;
    const [totals] = await sql`
      select stored_count::int as stored, duplicate_count::int as duplicate,
        conflicting_count::int as conflicting, rejected_count::int as rejected
      from feed.source_states where source = ${source}`;
    return { kept: [...kept], counts: [...counts], totals };
  }

  it.for(WRITINGS)(
    'of the layout $name is refused line by line, counted and told, and no tick beside it is lost',
    async writing => {
      const before = inputs;
      await fc.assert(
        fc.asyncProperty(hostileContents, packings, async (written, packed) => {
          const own = await addOwn();
          const file = writeHostileFile(writing, own.symbol, written);
          const bytes = pack(packed, file.bytes);
          const counted = (...fates: (Fate | 'conflict')[]) =>
            file.fates.filter(({ fate }) => fates.includes(fate)).length;
          const refused = file.fates.filter(
            ({ fate }) => !['stored', 'duplicate', 'conflict'].includes(fate),
          );
          inputs += refused.length + counted('duplicate', 'conflict');
          const counts = {
            stored: file.stored.length,
            duplicate: counted('duplicate'),
            conflicting: counted('conflict'),
            rejected: refused.length,
          };

          const first = await run(own, bytes, writing.reading);
          expect(first).toMatchObject({ error: '', ...counts });
          expect(first.line).toBe(file.fates.at(-1)?.line);
          expect((await storedOf(own)).sort()).toEqual(file.stored.map(({ tick }) => tick).sort());
          const { kept, ...summed } = await refusedOf(own);
          const lineAndReason = kept
            .filter(({ reason }) => reason !== 'conflict')
            .map(({ reason, detail }) => `${detail.split(':')[0]} ${reason}`);
          const expected = refused.map(({ line, fate }) => `line ${line} ${fate}`);
          expect(lineAndReason).toEqual(expected);
          expect(first.rejections.map(({ line, reason }) => `line ${line} ${reason}`)).toEqual(
            expected.slice(0, 10),
          );
          const reasons = [...Map.groupBy(file.fates, ({ fate }) => fate)]
            .map(([reason, all]) => ({ reason, count: all.length }))
            .filter(({ reason }) => reason !== 'stored' && reason !== 'duplicate')
            .sort((a, b) => (a.reason < b.reason ? -1 : 1));
          expect(summed).toEqual({ counts: reasons, totals: counts });
          const texts = [
            ...kept.flatMap(({ symbol, detail, raw }) => [symbol, detail, raw]),
            ...first.rejections.map(({ detail }) => detail),
          ];
          for (const text of texts) expect(text).toBe(printable(text));
          for (const { detail } of kept) expect(detail.length).toBeLessThan(300);
          for (const { detail } of first.rejections) expect(detail).not.toMatch(/[\n\t]/);

          const second = await run(own, bytes, writing.reading);
          expect(second).toMatchObject({
            ...counts,
            error: '',
            stored: 0,
            duplicate: counts.stored + counts.duplicate,
          });
        }),
        { seed: 14, numRuns: FILES_PER_LAYOUT, endOnFailure: true },
      );
      expect(inputs - before).toBeGreaterThan(100);
    },
  );

  it('that is damaged in its packing ends with one line, and gives what is before the damage', async () => {
    const [writing] = WRITINGS;
    if (writing === undefined) throw new Error('there is a layout');
    const damage = fc.record({
      packed: packings.filter(name => name !== 'plain'),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
      kind: fc.constantFrom('cut', 'changed', 'more'),
    });
    await fc.assert(
      fc.asyncProperty(hostileContents, damage, async (written, { packed, at, bytes, kind }) => {
        const own = await addOwn();
        const file = writeHostileFile(writing, own.symbol, written);
        const whole = pack(packed, file.bytes);
        const place = Math.floor(at * whole.length);
        const broken = kind === 'cut' ? whole.subarray(0, place) : Buffer.concat([whole, bytes]);
        if (kind === 'changed') broken.set(bytes, place);
        inputs += 1;
        const first = await run(
          own,
          kind === 'changed' ? broken.subarray(0, whole.length) : broken,
        );
        const told = /: line (\d+) is the last whole one$/.exec(first.error)?.[1];
        const { stored, duplicate, conflicting, rejected } = first;
        // A file without any tick makes nothing.
        expect(
          (await refusedOf(own)).totals ?? { stored, duplicate, conflicting, rejected },
        ).toEqual({ stored, duplicate, conflicting, rejected });
        const rows = await storedOf(own);
        expect(rows).toHaveLength(stored);
        if (kind !== 'changed' && told !== undefined) {
          const before = file.stored.filter(({ line }) => line <= Number(told));
          expect(rows.sort()).toEqual(before.map(({ tick }) => tick).sort());
          const lines = file.fates.filter(({ line }) => line <= Number(told));
          // None of so few is a tick.
          if (rows.length > 0) {
            expect(stored + duplicate + conflicting + rejected).toBe(lines.length);
          }
        }
        // The whole file afterwards gives the rest.
        const second = await run(own, whole);
        expect(second.error).toBe('');
        expect(second.stored + second.duplicate).toBe(file.stored.length);
        const all = new Set(await storedOf(own));
        expect(file.stored.filter(({ tick }) => !all.has(tick))).toEqual([]);
      }),
      { seed: 14, numRuns: 40, endOnFailure: true },
    );
  });

  const MEGABYTES_16 = 16_000_000;
  // Buffers that nothing needs any more go a while after the garbage is collected.
  const FLAT = 6 * MEGABYTES_16;
  const headOf = (symbol: string) =>
    writeHostileFile(WRITINGS[0] as (typeof WRITINGS)[number], symbol, {
      ...{ lead: [], among: [], prices: [], ends: ['\n'] },
    });
  const bombs: Readonly<Record<string, (parts: readonly string[]) => Buffer>> = {
    gzip: parts => Buffer.concat(packedOnce(parts, text => gzipSync(text))),
    zstd: parts => Buffer.concat(packedOnce(parts, text => zstdCompressSync(text))),
    zip: parts => {
      const flush = { finishFlush: constants.Z_FULL_FLUSH };
      const packed = packedOnce(parts, text => deflateRawSync(text, flush));
      const size = parts.reduce((sum, part) => sum + part.length, 0);
      const crc = parts.reduce((sum, part) => crc32(part, sum), 0);
      const content = { content: '', packed: Buffer.concat([...packed, deflateRawSync('')]) };
      return zipOf([{ name: 'ticks.csv', ...content, size, crc }]);
    },
  };
  it.for(Object.entries(bombs))(
    'that unpacks to a thousand times its size as %s is read through in flat memory',
    async ([, bomb], context) => {
      const contents: [number, string, number, number][] = [
        [16, 'x'.repeat(MEGABYTES_16), 1, 1],
        [1, '\n'.repeat(MEGABYTES_16 / 4), 0, MEGABYTES_16 / 4],
        [1, '"\n'.repeat(20_000), 20_000, 20_000],
      ];
      for (const [times, part, rejected, lines] of contents) {
        const own = await addOwn();
        const head = headOf(own.symbol);
        const last = '\n2026-03-02T12:00:00Z,1,2,3';
        const bytes = bomb([`${head.bytes}\n`, ...Array<string>(times).fill(part), last]);
        const before = usedMemory();
        let most = before;
        let timer: NodeJS.Timeout;
        const look = () => {
          const begin = performance.now();
          most = Math.max(most, usedMemory());
          // It rests for longer than it took, so that what is looked at goes on.
          timer = setTimeout(look, 2 * (performance.now() - begin));
        };
        timer = setTimeout(look, 10);
        const done = await run(own, bytes);
        clearTimeout(timer);
        inputs += 1;
        expect(done).toMatchObject({
          error: '',
          stored: head.stored.length + 1,
          rejected,
          line: (head.fates.at(-1)?.line ?? 0) + lines + (rejected === 1 ? 1 : 2),
        });
        expect(most - before).toBeLessThan(FLAT);
      }
      await context.annotate(`${inputs} hostile lines and files until here`);
    },
  );
});

/** Equal parts are packed once. */
function packedOnce(parts: readonly string[], packPart: (text: string) => Buffer): Buffer[] {
  const known = new Map<string, Buffer>();
  return parts.map(part => {
    const packed = known.get(part) ?? packPart(part);
    known.set(part, packed);
    return packed;
  });
}
