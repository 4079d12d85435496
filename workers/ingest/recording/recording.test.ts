import {
  type FileHandle,
  mkdtemp,
  open,
  readFile,
  rm,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig, secretsIn } from '../../../db/runtime/config.ts';
import { variables } from '../../../tests/support/hostile_settings.ts';
import { createPublicHosts } from '../../public_host.ts';
import type { Outside, Source, Tick } from '../source.ts';
import { startFakeOanda } from '../sources/oanda/fake.ts';
import { createOanda, type OandaOptions } from '../sources/oanda/source.ts';
import { startFakePolled } from '../sources/polled/fake.ts';
import type { Row } from '../sources/polled/row.ts';
import { createPolled } from '../sources/polled/source.ts';
import { type Books, keepBooks } from '../tests/books.ts';
import { exchanges } from '../tests/exchanges.ts';
import type { Entry } from './entries.ts';
import { createRecordingFiles, filesOf, type RecordingFilesOptions } from './files.ts';
import { type Played, playRecording } from './play.ts';
import { readRecording } from './read.ts';
import { createTap } from './tap.ts';

const closers: (() => Promise<unknown>)[] = [];
let path = '';

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'foresight-recording-'));
  path = join(folder, 'heard.gz');
  closers.push(() => rm(folder, { recursive: true }));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const logger = pino({ level: 'silent' });
const patient = { timeout: 50_000, interval: 5 };
/** As long and as odd as they come. */
const token = 'sekret"tok/en+ü=0123456789';
const accountId = '101-004-7654321-001';
const secrets = [token, accountId];

type Create = (outside: Outside) => Promise<Source> | Source;
type FilesOptions = Partial<Omit<RecordingFilesOptions, 'path' | 'context'>>;

/** A source that is recorded. */
async function record(create: Create, symbols: readonly string[], files: FilesOptions = {}) {
  const kept: { write?: (entry: Entry) => void } = {};
  const tap = createTap({ secrets, write: entry => kept.write?.(entry) });
  const source = tap.listenTo(await create({ network: tap.network }));
  const recording = createRecordingFiles({
    ...{ path, context: tap.context, logger, flushEvery: 20 },
    ...files,
  });
  kept.write = recording.write;
  const books = keepBooks(source, symbols);
  let isOpen = true;
  const end = async () => {
    if (isOpen) await books.close();
    if (isOpen) await recording.close();
    isOpen = false;
  };
  closers.push(end);
  return { books, end };
}

/** What the source says to the recording. */
async function play(create: Create): Promise<Played & { ticks: Tick[]; reasons: string[] }> {
  const ticks: Tick[] = [];
  const reasons: string[] = [];
  const damages: string[] = [];
  const played = await playRecording({
    entries: readRecording(path, words => damages.push(words)),
    create: async (_, outside) => create(outside),
    secrets: [],
    onItem: item => {
      if (item.kind === 'ticks') ticks.push(...item.ticks);
      if (item.kind === 'rejected') reasons.push(item.rejection.reason);
    },
    onEntry: async () => undefined,
    signal: new AbortController().signal,
  });
  expect(damages).toEqual([]);
  return { ...played, ticks, reasons };
}

/** Each once, as text, in one order. */
const written = (ticks: readonly Tick[]): string[] =>
  [
    ...new Set(
      ticks.map(({ symbol, observedAt, seq, bid, ask, last, size }) =>
        [symbol, observedAt, seq, bid, ask, last, size].join(' '),
      ),
    ),
  ].sort();

function expectSame(books: Books, symbols: readonly string[], played: { ticks: readonly Tick[] }) {
  const heard = symbols.flatMap(symbol => books.ticks(symbol));
  expect(heard.length).toBeGreaterThan(0);
  expect(written(played.ticks)).toEqual(written(heard));
}

/** Everything that stands in the files, unpacked. */
async function textOf(): Promise<string> {
  const files = await filesOf(path);
  const texts = await Promise.all(files.map(async each => gunzipSync(await readFile(each.path))));
  return texts.join('');
}

async function entriesOf(): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of readRecording(path, () => undefined)) entries.push(entry);
  return entries;
}

describe('the recording of OANDA', () => {
  const symbols = ['EUR_USD', 'USD_JPY'];
  const createFor =
    (url: string, options: Partial<OandaOptions> = {}): Create =>
    outside =>
      createOanda({
        ...{ token, accountId, environment: 'practice', streamUrl: url, apiUrl: url },
        ...{ random: () => 0.5, timings: { firstBackoff: 1, longestBackoff: 4, poll: 5 } },
        ...options,
        ...outside,
      });
  const nobody = 'http://127.0.0.1:1';
  /** As the command does: there is no account now. */
  const hidden = { token: '***', accountId: '***' };
  const plain = 'secret-token-0123456789';
  const price = (instrument: string, index: number) => ({
    instrument,
    bid: `1.${1_000 + index}`,
    ask: `1.${1_001 + index}`,
    time: new Date(Date.UTC(2026, 2, 2, 10) + index).toISOString().replace('Z', '123456Z'),
  });

  it('gives the same ticks again, over cuts, refusals and lines in pieces', async () => {
    const fake = await startFakeOanda({ token: plain, accountId });
    closers.push(fake.close);
    const { books, end } = await record(createFor(fake.url, { token: plain }), symbols);
    const until = (count: number) => books.until(() => books.ticks('EUR_USD').length >= count);
    await fake.opened(1);
    for (let index = 0; index < 20; index++) fake.push(price('EUR_USD', index));
    fake.joinLines([price('EUR_USD', 20), price('USD_JPY', 20), price('EUR_USD', 21)]);
    await fake.splitLine(price('EUR_USD', 22), 9);
    fake.badJson();
    fake.push({ ...price('USD_JPY', 30), tradeable: false });
    fake.send(new Uint8Array([0x7b, 0xff, 0xfe, 0x0a]));
    await until(23);
    fake.refuseNext(2, 503, { 'retry-after': '0' });
    fake.cutAll('{"type":"PRI');
    await fake.opened(2);
    fake.push(price('EUR_USD', 40));
    await until(24);
    await sleep(20);
    await end();
    const played = await play(createFor(nobody, hidden));
    expect(played.faults).toEqual([]);
    expect(played.unheard).toBe(0);
    expectSame(books, symbols, played);
    expect(played.reasons.sort()).toEqual(books.rejections.map(({ reason }) => reason).sort());
    expect(played.reasons).toContain('not_tradeable');
  });

  it('gives the same ticks again when it was polled', async () => {
    const fake = await startFakeOanda({ token: plain, accountId });
    closers.push(fake.close);
    const mode = 'poll' as const;
    const { books, end } = await record(createFor(fake.url, { token: plain, mode }), symbols);
    for (let index = 0; index < 20; index++) {
      // Of now, as it gives what is newer than its last answer.
      fake.push({ ...price('EUR_USD', index), time: undefined });
      await books.until(() => books.ticks('EUR_USD').length > index);
    }
    await end();
    expect((await entriesOf())[0]).toMatchObject({ recording: 1, source: 'oanda', mode });
    const played = await play(createFor(nobody, { ...hidden, mode }));
    expect(played.faults).toEqual([]);
    expectSame(books, symbols, played);
  });

  it('holds no secret, wherever the provider says it', async () => {
    const fake = await startFakeOanda({ token: plain, accountId });
    closers.push(fake.close);
    const { books, end } = await record(createFor(fake.url, { token: plain }), symbols);
    await fake.opened(1);
    const echo = JSON.stringify({ type: 'ECHO', token, accountId });
    const line = Buffer.from(`${echo} ${encodeURIComponent(token)} ${token}\n`);
    for (let cut = 1; cut < line.length; cut += 7) {
      fake.send(line.subarray(0, cut));
      await sleep(1);
      fake.send(line.subarray(cut));
    }
    // In a line without an end, and in one that is no UTF-8.
    fake.send(Buffer.concat([Buffer.from([0xff]), Buffer.from(`${accountId}\n`)]));
    for (let index = 0; index < 40; index++) fake.send(accountId.repeat(3_000));
    fake.send('\n');
    fake.push(price('EUR_USD', 1));
    await books.until(() => books.ticks('EUR_USD').length > 0);
    await end();
    const text = await textOf();
    const bytes = [...text.matchAll(/"bytes":"([^"]*)"/g)].map(([, packed = '']) =>
      Buffer.from(packed, 'base64').toString('latin1'),
    );
    expect(text).toContain('/v3/accounts/***/pricing/stream');
    expect(text).toContain('"bytes"');
    const all = [text, JSON.parse(`"${JSON.stringify(text).slice(1, -1)}"`), ...bytes].join('\n');
    for (const form of [token, JSON.stringify(token).slice(1, -1), encodeURIComponent(token)]) {
      expect(all).not.toContain(form);
      expect(all).not.toContain(JSON.stringify(form).slice(1, -1));
    }
    expect(all).not.toContain(accountId);
    expect(all).not.toMatch(/authorization|bearer|instruments=/i);
  });
});

describe.each(exchanges)('the recording of $name', ({ start, create, theirs, ours }) => {
  it('gives the same ticks again, over a cut, a refusal and a repair', async () => {
    const fake = await start();
    closers.push(fake.close);
    const timings = { firstBackoff: 1, longestBackoff: 20, refusal: 50, ping: 20, overlap: 40 };
    const at = { streamUrl: fake.streamUrl, apiUrl: fake.url, timings, listWaits: [1, 1] };
    const { books, end } = await record(outside => create({ ...at, ...outside, timings }), ours);
    const isHeard = () =>
      ours.every((symbol, index) => {
        const id = String(fake.log(theirs[index] ?? '').at(-1)?.id ?? 0);
        return books.ticks(symbol).some(({ seq }) => String(seq) === id);
      });
    /** Who is not followed yet does not hear a trade: there are more until all are heard. */
    const hear = async () => {
      for (let turn = 0; turn === 0 || !isHeard(); turn++) {
        if (turn % 20 === 0) for (const symbol of theirs) fake.trade(symbol);
        await sleep(5);
      }
    };
    await books.until(() => books.states.includes('connected'));
    await hear();
    for (let index = 0; index < 50; index++) {
      fake.trade(theirs[index % 3] ?? '', { price: `${index + 1}.5` });
      fake.quote(theirs[0], `${index + 1}.25`, `${index + 1}.75`);
      if (index % 10 === 0) fake.beat();
    }
    fake.drop(true);
    for (let index = 0; index < 5; index++) fake.trade(theirs[0], { price: `${index + 1}` });
    fake.drop(false);
    await hear();
    await books.repair();
    fake.refuseNext(2, 503);
    fake.cut();
    await books.until(() => books.states.length > 2 && books.states.at(-1) === 'connected');
    // Nobody who is let go and comes again, loses what others hear.
    books.want(ours.slice(0, 2));
    for (const symbol of theirs.slice(0, 2)) fake.trade(symbol);
    await sleep(60);
    books.want(ours);
    await hear();
    await end();

    const entries = await entriesOf();
    expect(entries.some(entry => 'repair' in entry)).toBe(true);
    // Whose path is another one.
    const nowhere = { streamUrl: 'ws://127.0.0.1:1/nowhere', apiUrl: 'http://127.0.0.1:1' };
    const played = await play(outside => create({ ...nowhere, ...outside }));
    expect(played.faults).toEqual([]);
    expectSame(books, ours, played);
  });
});

describe('the recording of a polled source', () => {
  const [a, b] = ['AAA.FAKE', 'BBB.FAKE'] as const;
  const row: Omit<Row, 'url'> = {
    source: 'fake',
    description: 'a fake',
    poll_every_ms: 1_000,
    symbols: { [a]: 'aaa', [b]: 'bbb' },
    headers: { Authorization: 'Bearer {POLLED_TOKEN_FAKE}' },
    time_format: 'us',
    items_path: '/trades',
    symbol_path: null,
    time_path: '/at_us',
    bid_path: null,
    ask_path: null,
    last_path: '/price',
    size_path: '/size',
    id_path: '/trade_id',
    ids_are_consecutive: true,
    status: 'works',
    calendar: null,
  };
  const hosts = createPublicHosts({ privateHosts: ['127.0.0.1'], setting: 'POLLED_HOSTS' });
  const createFor =
    (own: Row, tokens: Record<string, string>): Create =>
    outside =>
      createPolled({
        ...{ name: 'fake', readRow: async () => own, tell: async () => undefined, hosts, tokens },
        timings: { every: 5, look: 5, firstBackoff: 1, longestBackoff: 20, refusal: 20 },
        ...outside,
      });
  const known = 'sekret-token-of-ours';

  it.each<[string, Row]>([
    ['trades with ids', { ...row, url: '/trades/{symbol}' }],
    [
      'quotes with the time at which they came',
      {
        ...row,
        ...{ url: '/quotes', time_format: 'received', items_path: null, time_path: null },
        ...{ last_path: null, size_path: null, id_path: null, ids_are_consecutive: false },
        ...{ bid_path: '/{symbol}/bid', ask_path: '/{symbol}/ask' },
      },
    ],
  ])('gives the same ticks again: %s', async (_, { url, ...own }) => {
    const fake = await startFakePolled({ token: known, remembers: 10 });
    closers.push(fake.close);
    fake.quote('aaa', '1', '2');
    fake.quote('bbb', '3', '4');
    const told = { ...own, url: `${fake.url}${url}` };
    const create = createFor(told, { POLLED_TOKEN_FAKE: known });
    const { books, end } = await record(create, [a, b]);
    for (let index = 0; index < 12; index++) {
      fake.trade('aaa', { price: `${index}.5` });
      fake.trade('bbb', { price: `${index}.25` });
      fake.quote('aaa', `${index}.125`, `${index + 1}`);
      if (index === 4) fake.refuseNext(2, 503);
      if (index === 6) fake.say('{"nothing": "of it"}');
      if (index === 8) fake.cut(1);
      const count = own.id_path === null ? index : index + 1;
      await books.until(() => books.ticks(a).length >= count);
      await sleep(10);
    }
    await end();
    // There is no token when it is played.
    const played = await play(
      createFor({ ...told, url: `http://127.0.0.1${url}`, headers: {} }, {}),
    );
    expect(played.faults).toEqual([]);
    expectSame(books, [a, b], played);
    expect(await textOf()).not.toContain(known);
  });
});

describe('what a recording hides', () => {
  const named = variables.filter(name => /TOKEN|KEY|SECRET|PASSWORD|ACCOUNT/.test(name));

  it.each([...named, 'POLLED_TOKEN_MINE'])('is the value of %s', name => {
    const value = name === 'OANDA_ACCOUNT_ID' ? accountId : 'sekret-0123456789';
    expect(secretsIn(readConfig({ [name]: value }))).toEqual([value]);
  });
});

describe('the files of a recording', () => {
  const head: Entry = { at: '2026-03-02T10:00:00.000Z', recording: 1, source: 's', session: 'a' };
  const context = () => [head];
  const lost = (count: number): Entry => ({ at: '2026-03-02T10:00:00.000Z', lost: count });
  const text = (connection: number, words: string): Entry => ({
    ...{ at: '2026-03-02T10:00:00.000Z', connection },
    text: words,
  });
  const create = (options: FilesOptions = {}) =>
    createRecordingFiles({ path, context, logger, flushEvery: 5, ...options });
  const connectionsIn = (entries: readonly Entry[]) =>
    entries.flatMap(entry => ('connection' in entry ? entry.connection : []));
  const written = (size: number) =>
    expect.poll(async () => (await filesOf(path)).at(-1)?.size ?? 0, patient).toBeGreaterThan(size);

  it('can be read to the last flush, wherever the end is torn off', async () => {
    const files = create();
    files.write(text(1, 'first'));
    await written(0);
    const [{ size = 0 } = {}] = await filesOf(path);
    files.write(text(2, 'second'));
    await written(size);
    await files.close();
    const whole = (await filesOf(path))[0]?.size ?? 0;
    for (let end = whole; end >= size; end--) {
      await truncate(path, end);
      const all = connectionsIn(await entriesOf());
      expect(all[0]).toBe(1);
      if (end === whole) expect(all).toEqual([1, 2]);
    }
  });

  it('that are damaged are read to the damage, which is told, and the next one after it', async () => {
    const first = create();
    first.write(text(1, 'x'));
    await written(0);
    const [{ size = 0 } = {}] = await filesOf(path);
    first.write(text(2, 'y'.repeat(100)));
    await written(size);
    await first.close();
    const bytes = await readFile(path);
    bytes.fill(0xff, size + 12, size + 24);
    await writeFile(path, bytes);
    const next = create();
    next.write(text(3, 'z'));
    await next.close();
    const damages: string[] = [];
    const connections: number[] = [];
    for await (const entry of readRecording(path, words => damages.push(words))) {
      if ('connection' in entry) connections.push(entry.connection);
    }
    expect(connections).toEqual([1, 3]);
    expect(damages).toEqual([`${path}: the gzip file is damaged, behind line 2`]);
  });

  it('are never written to again: who is started anew goes on in the next one', async () => {
    for (const connection of [1, 2, 3]) {
      const files = create();
      files.write(text(connection, 'x'));
      await files.close();
    }
    const names = (await filesOf(path)).map(each => each.path.slice(path.length));
    expect(names).toEqual(['', '.1', '.2']);
    expect(connectionsIn(await entriesOf())).toEqual([1, 2, 3]);
  });

  it('are bounded in size, each and all, and the oldest go', async () => {
    const [fileBytes, allBytes] = [20_000, 60_000];
    const files = create({ fileBytes, allBytes, flushEvery: 1 });
    // What no packing makes smaller.
    const random = () => Array.from({ length: 1_000 }, () => Math.random()).join('');
    for (let connection = 1; connection <= 40; connection++) {
      const before = (await filesOf(path)).reduce((sum, each) => sum + each.size, 0);
      files.write(text(connection, random()));
      await expect
        .poll(async () => (await filesOf(path)).reduce((sum, each) => sum + each.size, 0), patient)
        .not.toBe(before);
    }
    await files.close();
    const all = await filesOf(path);
    expect(all[0]?.path).not.toBe(path);
    expect(all.length).toBeGreaterThan(1);
    expect(all.reduce((sum, each) => sum + each.size, 0)).toBeLessThanOrEqual(allBytes + 10_000);
    for (const each of all) expect(each.size).toBeLessThan(fileBytes + 10_000);
    const kept = connectionsIn(await entriesOf());
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, at) => 41 - kept.length + at));
  });

  it('are left alone while the disk is full, which is told once, and go on when it has room', async () => {
    const told: string[] = [];
    const listening = pino({ level: 'info' }, { write: (line: string) => told.push(line) });
    let isFull = false;
    const openFile = (async (...args: Parameters<typeof open>) => {
      const handle = await open(...args);
      const write = handle.write.bind(handle) as unknown as (...all: unknown[]) => Promise<unknown>;
      const failing = async (buffer: Buffer, offset: number, _: unknown, position: number) => {
        if (!isFull) return write(buffer, offset, undefined, position);
        // A part of it is taken, as a disk does that is full in the middle.
        await write(buffer, offset, 3, position);
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), {
          code: 'ENOSPC',
        });
      };
      return Object.assign(handle, { write: failing }) as FileHandle;
    }) as typeof open;
    const files = create({ openFile, logger: listening, retryEvery: 10 });
    files.write(text(1, 'before'));
    await written(0);
    isFull = true;
    const large = 'x'.repeat(2 ** 20);
    files.write(text(2, 'kept'));
    await expect.poll(() => told.length, patient).toBe(1);
    const [{ size = 0 } = {}] = await filesOf(path);
    for (let count = 0; count < 100; count++) files.write(text(3, large));
    // Again and again it is tried.
    await sleep(100);
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('ENOSPC');
    isFull = false;
    await written(size);
    await expect.poll(() => told.length, patient).toBe(2);
    const isCaughtUp = async () => (await entriesOf()).some(entry => 'lost' in entry);
    await expect.poll(isCaughtUp, patient).toBe(true);
    files.write(text(4, 'after'));
    await files.close();
    const entries = await entriesOf();
    const connections = connectionsIn(entries);
    const missing = entries.flatMap(entry => ('lost' in entry ? entry.lost : []));
    expect(connections.slice(0, 3)).toEqual([1, 2, 3]);
    expect(connections.at(-1)).toBe(4);
    expect(missing).toHaveLength(1);
    // All are accounted for, and no more than so many waited in memory.
    expect(connections.length - 3 + (missing[0] ?? 0)).toBe(100);
    expect(connections.length).toBeLessThan(15);
  });

  it('of a folder that is not there are told once, and nobody waits', async () => {
    const told: string[] = [];
    const listening = pino({ level: 'info' }, { write: (line: string) => told.push(line) });
    path = join(path, 'nowhere', 'heard.gz');
    const files = create({ logger: listening, retryEvery: 5 });
    for (let count = 0; count < 10; count++) {
      files.write(lost(1));
      await sleep(10);
    }
    await files.close();
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('ENOENT');
  });

  it('are refused when they are none of a recording, with what is wrong', async () => {
    const read = async () => {
      for await (const _ of readRecording(path, () => undefined));
    };
    await expect(read()).rejects.toThrow(`there is no recording ${path}`);
    await writeFile(path, 'time,bid,ask\n');
    await expect(read()).rejects.toThrow(`line 1 of ${path} is none of a recording`);
    await writeFile(path, `${JSON.stringify(lost(1))}\n`);
    await expect(read()).rejects.toThrow('line 1 of');
    await writeFile(path, `${JSON.stringify({ ...head, recording: 2 })}\n`);
    await expect(read()).rejects.toThrow('another layout');
    // As text it is read too, so that a test can have one that was cut down by hand.
    await writeFile(path, `${JSON.stringify(head)}\n${JSON.stringify(text(1, 'x'))}\n{"at": "20`);
    expect(connectionsIn(await entriesOf())).toEqual([1]);
  });
});

describe('a file of a recording', () => {
  it('can be played without those before it', async () => {
    const exchange = exchanges.find(({ name }) => name === 'kraken') ?? exchanges[0];
    if (exchange === undefined) throw new Error('there is no exchange');
    const { start, create, theirs, ours } = exchange;
    const fake = await start();
    closers.push(fake.close);
    const at = { streamUrl: fake.streamUrl, apiUrl: fake.url, listWaits: [1] };
    const { books, end } = await record(outside => create({ ...at, ...outside }), ours, {
      fileBytes: 1,
      flushEvery: 1,
    });
    await books.until(() => books.states.includes('connected'));
    for (let index = 0; index < 60; index++) {
      fake.trade(theirs[0], { price: `${index + 1}` });
      await books.until(() => books.ticks(ours[0]).length > index);
      await sleep(2);
    }
    await end();
    const files = await filesOf(path);
    expect(files.length).toBeGreaterThan(5);
    for (const each of files.slice(0, -3)) await unlink(each.path);
    const played = await play(outside => create({ ...at, ...outside }));
    const heard = written(books.ticks(ours[0]));
    const again = written(played.ticks);
    expect(again.at(-1)).toBe(heard.at(-1));
    expect(heard).toEqual(expect.arrayContaining(again));
    const whole = written(books.ticks(ours[0])).slice(-2);
    expect(again).toEqual(expect.arrayContaining(whole));
  });
});
