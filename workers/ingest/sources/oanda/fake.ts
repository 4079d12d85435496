/**
 * A stand-in for OANDA's v20 API on the loopback interface, strict where OANDA is strict, for tests and
 * by hand: `node workers/ingest/sources/oanda/fake.ts [--port N]`.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { constants, createGzip, gzipSync } from 'node:zlib';
import { chopWrites } from '../../fake_exchange.ts';
import { candlesOf, GRANULARITIES } from './fake_candles.ts';
import {
  FAKE_INSTRUMENTS,
  type FakePrice,
  type LoggedPrice,
  timeNow,
  toLine,
} from './fake_prices.ts';
import { CANDLES_PATH, findFault, type Refusal, refuse } from './fake_refusals.ts';

export interface FakeOandaOptions {
  readonly token: string;
  readonly accountId: string;
  /** Any free port when absent. */
  readonly port?: number;
  /** OANDA sends the last price of each slot, 250 ms; each connection has slots of its own. 0 sends all. */
  readonly slotMs?: number;
  /** OANDA's heartbeat comes every 5 s; 0 leaves it to {@link FakeOanda.heartbeat}. */
  readonly heartbeatMs?: number;
  /** Compress streams too, flushed after each line. */
  readonly gzipStreams?: boolean;
}

export interface FakeOanda {
  /** For both OANDA_API_URL and OANDA_STREAM_URL. */
  readonly url: string;
  /** Streams that are open now. */
  readonly streamConnections: number;
  /** Every request so far with its answer, for example `200 /v3/accounts/...`. */
  readonly requests: readonly string[];
  /** Resolves when so many streams have been opened since the start. */
  readonly opened: (count: number) => Promise<void>;
  /** Resolves when so many requests have been answered since the start. */
  readonly answered: (count: number) => Promise<void>;
  /** To every stream that asked for the instrument. */
  readonly push: (price: FakePrice) => void;
  readonly heartbeat: () => void;
  /** New streams begin with one price an instrument, as OANDA's do. */
  readonly snapshot: (prices: readonly FakePrice[]) => void;
  /** One price as several pieces on the wire. */
  readonly splitLine: (price: FakePrice, pieces: number) => Promise<void>;
  /** Several prices as one piece. */
  readonly joinLines: (prices: readonly FakePrice[]) => void;
  /** Prices are held back from now on; heartbeats go on. */
  readonly onlyHeartbeats: (on: boolean) => void;
  /** Nothing is sent any more on open and new streams, but they stay open. */
  readonly goSilent: (on: boolean) => void;
  /** Resets every stream; half a line may be the last thing on it. */
  readonly cutAll: (halfLine?: string) => void;
  /** Ends every stream in order. */
  readonly endAll: () => void;
  readonly refuseNext: (requests: number, status: number, headers?: Record<string, string>) => void;
  /** The next request ends without an answer. */
  readonly cutNext: () => void;
  /** The next poll or question for candles is answered with this text. */
  readonly answerNext: (text: string) => void;
  /** The next poll is answered as if it were the first one. */
  readonly repeat: () => void;
  readonly emptyLadders: (instrument: string) => void;
  readonly badJson: () => void;
  readonly hugeLine: (characters: number) => void;
  readonly unknownType: () => void;
  /** Anything at all, as it is. */
  readonly send: (text: string | Uint8Array) => void;
  /** The same, but packed streams get it unpacked: garbage. */
  readonly garble: (bytes: Uint8Array) => void;
  /** Everything that the instrument cost, in the order of its times: of this the candles are made. */
  readonly log: (instrument: string) => readonly LoggedPrice[];
  /** Candles of 5 seconds that began before are kept no more. */
  readonly forgetFine: (before: string) => void;
  /** What the account may trade from now on, besides what it may: each entry as JSON, as it is. */
  readonly listMore: (entries: readonly string[]) => void;
  /** The account may trade it no more: whatever is asked with it is refused. */
  readonly delist: (instrument: string) => void;
  /** Its time as it writes it, never the same twice. */
  readonly now: () => string;
  /** How far its clock is ahead, in milliseconds. */
  readonly skew: (milliseconds: number) => void;
  /** From now on what is written reaches new connections in pieces of any size, several together. */
  readonly chop: (random: () => number) => void;
  readonly close: () => Promise<void>;
}

interface Stream {
  readonly instruments: ReadonlySet<string>;
  readonly write: (text: string | Uint8Array) => void;
  readonly writeUnpacked: (bytes: Uint8Array) => void;
  readonly offer: (price: FakePrice) => void;
  readonly end: () => void;
  readonly reset: () => void;
}

export async function startFakeOanda(options: FakeOandaOptions): Promise<FakeOanda> {
  const streams = new Set<Stream>();
  const requests: string[] = [];
  const refusals: Refusal[] = [];
  const openings = createCounter();
  const answers = createCounter();
  let snapshot: readonly FakePrice[] = [];
  /** What a poll is answered with. */
  const latest = new Map<string, FakePrice & { readonly time: string }>();
  /** By instrument and time. */
  const logs = new Map<string, Map<string, LoggedPrice>>();
  let forgottenTo = '';
  let listed = FAKE_INSTRUMENTS.map(each => JSON.stringify(each));
  const delisted = new Set<string>();
  const sayings: string[] = [];
  let isSilent = false;
  let holdsPrices = false;
  let isCut = false;
  let repeats = false;
  let skewed = 0;
  let chopper: (() => number) | undefined;
  const now = () => timeNow(skewed);

  const server = createServer((request, response) => {
    if (isCut) {
      isCut = false;
      requests.push(`cut ${request.url}`);
      request.socket.destroy();
      return;
    }
    const isPoll = /\/pricing\?/.test(request.url ?? '');
    if (isPoll && isSilent) return;
    const isOffered = (name: string) =>
      FAKE_INSTRUMENTS.some(known => known.name === name) && !delisted.has(name);
    const refusal = refusals.shift() ?? findFault(request, options, streams.size, isOffered, now());
    requests.push(`${refusal?.status ?? 200} ${request.url}`);
    const candles = CANDLES_PATH.exec(new URL(request.url ?? '/', 'http://fake').pathname);
    if (refusal !== null) refuse(response, refusal);
    else if (candles !== null) sendCandles(request, response, candles[1] ?? '');
    else if (request.url?.endsWith('/instruments')) sendInstruments(request, response, listed);
    else if (isPoll) {
      const saying = sayings.shift() ?? pricesFor(request, repeats ? '' : undefined);
      repeats = false;
      response.writeHead(200, { 'Content-Type': 'application/json', RequestID: '1' }).end(saying);
    } else openStream(request, response);
    answers.add();
  });
  // Whoever asks seldom, or slowly, finds the connection where it was.
  server.keepAliveTimeout = 600_000;
  server.on('connection', socket => {
    if (chopper !== undefined) chopWrites(socket, chopper);
  });

  /** Of the instruments asked for the newest price, or none when that is not newer than what was seen. */
  function pricesFor(request: IncomingMessage, seen?: string): string {
    const { searchParams } = new URL(request.url ?? '/', 'http://fake');
    const since = seen ?? searchParams.get('since') ?? '';
    const prices = (searchParams.get('instruments') ?? '').split(',').flatMap(name => {
      const price = latest.get(name);
      return price === undefined || price.time <= since ? [] : toLine(price);
    });
    return `{"prices":[${prices.join()}],"time":"${now()}"}`;
  }

  function sendCandles(request: IncomingMessage, response: ServerResponse, name: string): void {
    const { searchParams } = new URL(request.url ?? '/', 'http://fake');
    const granularity = searchParams.get('granularity') ?? 'S5';
    const asked = {
      width: GRANULARITIES[granularity] ?? 5,
      sides: searchParams.get('price') ?? 'M',
      from: searchParams.get('from') ?? '',
      to: searchParams.get('to') ?? now(),
      count: Number(searchParams.get('count') ?? 500),
    };
    const all = candlesOf(log(name), now(), asked);
    const candles = granularity === 'S5' ? all.filter(({ time }) => time >= forgottenTo) : all;
    response
      .writeHead(200, { 'Content-Type': 'application/json', RequestID: '1' })
      .end(sayings.shift() ?? JSON.stringify({ instrument: name, granularity, candles }));
  }

  function openStream(request: IncomingMessage, response: ServerResponse) {
    const stream = createStream(request, response, options, () => streams.delete(stream));
    streams.add(stream);
    if (!isSilent) {
      const asked = snapshot.filter(price => stream.instruments.has(price.instrument));
      for (const price of asked) stream.write(toLine(price));
    }
    openings.add();
  }

  const broadcast = (text: string | Uint8Array) => {
    if (isSilent) return;
    for (const stream of streams) stream.write(text);
  };
  const keep = (price: FakePrice) => {
    latest.set(price.instrument, { ...price, time: price.time ?? now() });
  };
  const log = (name: string) =>
    [...(logs.get(name)?.values() ?? [])].sort((one, other) => (one.time < other.time ? -1 : 1));
  /** It is a price of the market, whoever hears of it. */
  const note = (price: FakePrice): FakePrice => {
    const told = { ...price, time: price.time ?? now() };
    const own = logs.get(price.instrument) ?? new Map<string, LoggedPrice>();
    logs.set(price.instrument, own);
    if (price.tradeable !== false && !own.has(told.time)) own.set(told.time, told);
    return told;
  };
  const push = (price: FakePrice) => {
    const told = note(price);
    if (isSilent || holdsPrices) return;
    keep(told);
    for (const stream of streams) stream.offer(told);
  };
  const heartbeat = () => broadcast(`${JSON.stringify({ type: 'HEARTBEAT', time: now() })}\n`);
  const beat = options.heartbeatMs ? setInterval(heartbeat, options.heartbeatMs) : undefined;
  const endEach = (end: (stream: Stream) => void) => [...streams].forEach(end);

  await listen(server, options.port ?? 0);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get streamConnections() {
      return streams.size;
    },
    requests,
    opened: openings.reached,
    answered: answers.reached,
    push,
    heartbeat,
    snapshot: prices => {
      snapshot = prices;
      prices.forEach(keep);
    },
    splitLine: async (price, pieces) => {
      const line = toLine(note(price));
      const size = Math.ceil(line.length / pieces);
      for (let at = 0; at < line.length; at += size) {
        broadcast(line.slice(at, at + size));
        await nextTurn();
      }
    },
    joinLines: prices => broadcast(prices.map(price => toLine(note(price))).join('')),
    onlyHeartbeats: on => {
      holdsPrices = on;
    },
    goSilent: on => {
      isSilent = on;
    },
    cutAll: halfLine => {
      if (halfLine !== undefined) broadcast(halfLine);
      endEach(stream => stream.reset());
    },
    endAll: () => endEach(stream => stream.end()),
    refuseNext: (count, status, headers = {}) => {
      const refusal = { status, message: `scripted refusal ${status}`, headers };
      for (let index = 0; index < count; index++) refusals.push(refusal);
    },
    cutNext: () => {
      isCut = true;
    },
    answerNext: text => sayings.push(text),
    repeat: () => {
      repeats = true;
    },
    emptyLadders: name => push({ instrument: name, bid: null, ask: null }),
    badJson: () => broadcast('{"type":"PRICE","instrument":\n'),
    hugeLine: characters => broadcast(`{"type":"PRICE","x":"${'x'.repeat(characters)}"}\n`),
    unknownType: () => broadcast('{"type":"NOVELTY","time":"2026-01-01T00:00:00.000000000Z"}\n'),
    send: broadcast,
    garble: bytes => {
      for (const stream of streams) stream.writeUnpacked(bytes);
    },
    listMore: entries => {
      listed = [...listed, ...entries];
    },
    delist: name => {
      delisted.add(name);
      listed = listed.filter(entry => !entry.includes(`"name":"${name}"`));
    },
    log,
    forgetFine: before => {
      forgottenTo = before;
    },
    now,
    skew: milliseconds => {
      skewed = milliseconds;
    },
    chop: random => {
      chopper = random;
    },
    close: async () => {
      clearInterval(beat);
      endEach(stream => stream.reset());
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}

function sendInstruments(
  request: IncomingMessage,
  response: ServerResponse,
  instruments: readonly string[],
): void {
  const body = `{"instruments":[${instruments.join()}],"lastTransactionID":"1"}`;
  const packs = acceptsGzip(request);
  response.writeHead(200, {
    'Content-Type': 'application/json',
    ...(packs ? { 'Content-Encoding': 'gzip' } : {}),
  });
  response.end(packs ? gzipSync(body) : body);
}

const acceptsGzip = (request: IncomingMessage) =>
  String(request.headers['accept-encoding'] ?? '').includes('gzip');

function createStream(
  request: IncomingMessage,
  response: ServerResponse,
  { slotMs = 0, gzipStreams = false }: FakeOandaOptions,
  onClose: () => void,
): Stream {
  const asked = new URL(request.url ?? '/', 'http://fake').searchParams.get('instruments');
  const instruments = new Set(asked?.split(','));
  const packer = gzipStreams && acceptsGzip(request) ? createGzip() : null;
  const packing = packer === null ? {} : { 'Content-Encoding': 'gzip' };
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', ...packing });
  response.flushHeaders();
  packer?.pipe(response);
  const write = (text: string | Uint8Array) => {
    (packer ?? response).write(text);
    packer?.flush(constants.Z_SYNC_FLUSH);
  };
  const waiting = new Map<string, FakePrice>();
  const sendWaiting = () => {
    for (const price of waiting.values()) write(toLine(price));
    waiting.clear();
  };
  const slots = slotMs > 0 ? setInterval(sendWaiting, slotMs) : undefined;
  response.on('close', () => {
    clearInterval(slots);
    onClose();
  });
  return {
    instruments,
    write,
    writeUnpacked: bytes => response.write(bytes),
    offer: price => {
      if (!instruments.has(price.instrument)) return;
      waiting.set(price.instrument, price);
      if (slotMs === 0) sendWaiting();
    },
    end: () => (packer ?? response).end(),
    reset: () => response.socket?.destroySoon(),
  };
}

function createCounter() {
  let count = 0;
  let waiting: { readonly at: number; readonly resolve: () => void }[] = [];
  return {
    add: () => {
      count += 1;
      for (const { at, resolve } of waiting) if (at <= count) resolve();
      waiting = waiting.filter(({ at }) => at > count);
    },
    reached: (at: number) =>
      new Promise<void>(resolve => {
        if (at <= count) resolve();
        else waiting.push({ at, resolve });
      }),
  };
}

const BASE_PRICES: Readonly<Record<string, number>> = {
  EUR_USD: 1.165,
  GBP_USD: 1.342,
  USD_JPY: 151.2,
  AUD_USD: 0.6545,
  USD_CAD: 1.398,
  USD_CHF: 0.805,
  XAU_USD: 3980,
  SPX500_USD: 6720,
};

async function runByHand(): Promise<void> {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } });
  const access = { token: 'fake-token', accountId: '101-004-1234567-001' };
  const fake = await startFakeOanda({
    ...access,
    port: Number(values.port),
    slotMs: 250,
    heartbeatMs: 5_000,
  });
  const walk = new Map(Object.entries(BASE_PRICES));
  const step = () => {
    const prices = FAKE_INSTRUMENTS.map(({ name, displayPrecision }): FakePrice => {
      const mid = (walk.get(name) ?? 1) * Math.exp((Math.random() - 0.5) * 0.0001);
      walk.set(name, mid);
      const [bid, ask] = [mid * 0.99995, mid * 1.00005].map(side => side.toFixed(displayPrecision));
      return { instrument: name, bid: bid ?? null, ask: ask ?? null };
    });
    fake.snapshot(prices);
    prices.forEach(fake.push);
  };
  step();
  setInterval(step, 125);
  console.log(`export OANDA_API_TOKEN=${access.token} OANDA_ACCOUNT_ID=${access.accountId}`);
  console.log(`export OANDA_API_URL=${fake.url} OANDA_STREAM_URL=${fake.url}`);
}

if (import.meta.main) await runByHand();
