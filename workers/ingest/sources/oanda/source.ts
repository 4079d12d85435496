import { setTimeout as delay } from 'node:timers/promises';
import { pushed } from '../../channel.ts';
import { createPatience, Hiccup } from '../../connection.ts';
import { type InstrumentList, pickInstruments } from '../../instruments.ts';
import { createLineSplitter } from '../../lines.ts';
import { reject } from '../../rejection.ts';
import {
  type FollowRequest,
  type Instrument,
  type Item,
  type OnAlone,
  type Skipped,
  type Source,
  type SourceEntry,
  SourceError,
  type Tick,
} from '../../source.ts';
import { quote } from '../../text.ts';
import { toSayAgain } from '../../tick.ts';
import { fromEpochMilliseconds } from '../../time.ts';
import { BadRequest, type Client, createClient, type OandaOptions } from './client.ts';
import { type Message, readInstruments, readMessage, readPricing } from './messages.ts';
import { repairFromCandles } from './repair.ts';

export type { OandaOptions, OandaTimings } from './client.ts';

export const OANDA_WATCHLIST: readonly string[] = [
  'EUR_USD',
  'GBP_USD',
  'USD_JPY',
  'AUD_USD',
  'USD_CAD',
  'USD_CHF',
  'XAU_USD',
  'SPX500_USD',
];

const LINE_LIMIT = 64 * 1_024;

/**
 * OANDA's v20 price stream, or its prices asked for each second. Neither has a sequence or a replay: what happened
 * between two connections is missed, and of what happens between two polls nothing is said to be covered. Of what was
 * missed OANDA has the candles.
 * @throws {SourceError} for a token that cannot be one.
 */
export function createOanda(options: OandaOptions): Source {
  const client = createClient(options);
  const isPolled = options.mode === 'poll';
  return {
    name: 'oanda',
    description: isPolled ? 'OANDA v20 pricing, polled' : 'OANDA v20 pricing stream',
    isSimulated: false,
    mode: isPolled ? 'poll' : 'stream',
    instruments: (...asked) => fetchInstruments(client, ...asked),
    follow: request =>
      pushed(request.signal, (signal, push) => {
        const asked = { ...request, signal };
        return isPolled ? poll(client, asked, push) : listen(client, asked, push);
      }),
    repair: (gap, request) => repairFromCandles(client, gap, request),
  };
}

export const oanda: SourceEntry = {
  name: 'oanda',
  create: (config, _, outside) => {
    const { token, accountId, environment, mode, streamUrl, apiUrl } = config.oanda;
    if (token === undefined || accountId === undefined) {
      const missing = [
        ...(token === undefined ? ['OANDA_API_TOKEN'] : []),
        ...(accountId === undefined ? ['OANDA_ACCOUNT_ID'] : []),
      ];
      throw new SourceError(`wrong configuration: the source oanda needs ${missing.join(' and ')}`);
    }
    return createOanda({
      ...{ token, accountId, environment, mode, streamUrl, apiUrl },
      ...outside,
    });
  },
};

async function fetchInstruments(
  client: Client,
  symbols: readonly string[],
  stopped?: AbortSignal,
  onSkipped?: (skipped: readonly Skipped[]) => void,
  onAlone?: OnAlone,
): Promise<readonly Instrument[]> {
  const { instruments, skipped } = await fetchOffered(client, stopped, onAlone);
  if (skipped.length > 0) onSkipped?.(skipped);
  // Accounts differ: some countries have no metals and no indices. Only what was asked for must be there.
  if (symbols.length === 0) {
    return OANDA_WATCHLIST.flatMap(name => instruments.find(({ symbol }) => symbol === name) ?? []);
  }
  const named = symbols.flatMap(symbol => {
    if (!symbol.includes('*')) return symbol;
    const found = instruments.filter(each => isMatch(symbol, each.symbol));
    if (found.length > 0) return found.map(each => each.symbol);
    throw new SourceError(`OANDA offers nothing like ${quote(symbol)} to this account`);
  });
  const asked = [...new Set(named)].map(symbol => ({ text: symbol, symbol }));
  const told = new Set(skipped.map(({ name }) => name));
  const tellOthers = (unknown: readonly Skipped[]) => {
    const others = unknown.filter(({ name }) => !told.has(name));
    if (others.length > 0) onSkipped?.(others);
  };
  return pickInstruments({ instruments, skipped }, asked, {
    label: 'OANDA',
    onSkipped: tellOthers,
  });
}

/** `*` stands for any characters, so that it alone is everything. */
function isMatch(pattern: string, symbol: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop() ?? '';
  if (!symbol.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = symbol.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return symbol.length - at >= last.length && symbol.endsWith(last);
}

async function askOffered(client: Client, stopped?: AbortSignal): Promise<InstrumentList> {
  const list = readInstruments(await client.instruments(stopped));
  if (list === null) throw new Hiccup('the answer is not a list of instruments');
  return list;
}

async function fetchOffered(
  client: Client,
  stopped?: AbortSignal,
  onAlone?: OnAlone,
): Promise<InstrumentList> {
  for (let failures = 1; ; failures++) {
    try {
      return await askOffered(client, stopped);
    } catch (error) {
      if (!(error instanceof Hiccup)) throw error;
      if (error.retryAfter > 0) onAlone?.(error.retryAfter, error.message);
      if (stopped?.aborted || failures >= client.timings.instrumentTries) {
        throw new Error(`OANDA cannot be reached: ${error.message}`, { cause: error });
      }
      await delay(client.backoff(failures, error), undefined, stopped && { signal: stopped }).catch(
        () => undefined,
      );
    }
  }
}

type Push = (item: Item) => Promise<void>;

/** Who is followed: of those that are wanted the ones that the account still has. */
interface Roster {
  readonly of: (wanted: readonly string[]) => readonly string[];
  /**
   * Asks for prices of these. One that was delisted has all of the request refused: it is told, and not asked for again.
   * @throws {Hiccup} then, too: to be asked for the others.
   */
  readonly ask: <Answer>(
    symbols: readonly string[],
    asking: () => Promise<Answer>,
  ) => Promise<Answer>;
}

function createRoster(client: Client, signal: AbortSignal, push: Push): Roster {
  const lost = new Set<string>();
  return {
    of: wanted => {
      for (const symbol of lost) if (!wanted.includes(symbol)) lost.delete(symbol);
      return wanted.filter(symbol => !lost.has(symbol));
    },
    ask: async (symbols, asking) => {
      try {
        return await asking();
      } catch (error) {
        if (!(error instanceof BadRequest)) throw error;
        const { instruments } = await askOffered(client, signal);
        const offered = new Set(instruments.map(({ symbol }) => symbol));
        const gone = symbols.filter(symbol => !offered.has(symbol));
        if (gone.length === 0) throw error;
        for (const symbol of gone) {
          lost.add(symbol);
          const detail = `${symbol} is not followed, OANDA does not offer it to this account any more`;
          const rejection = reject(symbol, { reason: 'unknown_instrument', detail }, '');
          await push({ kind: 'rejected', rejection });
        }
        throw new Hiccup(`OANDA does not offer ${gone.join(', ')} any more`);
      }
    },
  };
}

async function poll(client: Client, request: FollowRequest, push: Push): Promise<void> {
  const { signal } = request;
  const roster = createRoster(client, signal, push);
  let failures = 0;
  let isConnected = false;
  let asked = '';
  let since: string | undefined;
  let newest: Tick | undefined;
  /** By symbol, when it was asked for last with success, and why no answer came since. */
  const answeredAt = new Map<string, string>();
  let fault: string | undefined;
  /** By symbol, or what stands for one: said again it is no news. */
  let said = new Map<string, string>();
  while (!signal.aborted) {
    const { symbols: wanted, storedUntil, changed } = request.wanted();
    const symbols = roster.of(wanted);
    for (const symbol of answeredAt.keys())
      if (!symbols.includes(symbol)) answeredAt.delete(symbol);
    if (symbols.length === 0) {
      await untilAborted([signal, changed]);
      continue;
    }
    if (symbols.join() !== asked) {
      asked = symbols.join();
      since = undefined;
      said = new Map([...said].filter(([symbol]) => symbols.includes(symbol)));
    }
    let wait = client.timings.poll;
    const askedAt = fromEpochMilliseconds(client.now());
    try {
      const json = await roster.ask(symbols, () => client.pricing(symbols, since, signal));
      const pricing = readPricing(json, new Set(symbols), client.now());
      if (pricing === null) throw new Hiccup('the answer is not a list of prices');
      if (!isConnected) await push(CONNECTED);
      isConnected = true;
      failures = 0;
      for (const symbol of symbols) {
        // Between two polls nothing is known to be missed; where there was none, all of it is.
        const before = answeredAt.get(symbol);
        const from = before ?? storedUntil.get(symbol);
        if (from !== undefined && from < askedAt && (before === undefined || fault !== undefined)) {
          const cause = fault ?? 'nobody asked for it';
          await push({ kind: 'missed', symbols: [symbol], from, to: askedAt, cause });
        }
        answeredAt.set(symbol, askedAt);
      }
      fault = undefined;
      since = pricing.since;
      const fresh = pricing.messages.filter(({ text, message }) => {
        const symbol = symbolOf(message);
        if (said.get(symbol) === text) return false;
        said.set(symbol, text);
        return true;
      });
      for (const item of sortOut(fresh.map(({ message }) => message))) {
        if (item.kind === 'ticks') newest = toSayAgain(newest, item.ticks);
        await push(item);
      }
      // Said again it is stored no second time, and shows that the source lives.
      if (fresh.length === 0 && newest !== undefined && symbols.includes(newest.symbol)) {
        await push({ kind: 'ticks', ticks: [newest] });
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Hiccup)) throw error;
      failures += 1;
      isConnected = false;
      fault = error.message;
      wait = Math.round(client.backoff(failures, error));
      await push(disconnected(error, wait));
    }
    await delay(wait, undefined, { signal }).catch(() => undefined);
  }
}

function symbolOf(message: Message): string {
  if (message.kind === 'tick') return message.tick.symbol;
  return (message.kind === 'rejected' ? message.rejection.symbol : undefined) ?? '';
}

/** Holds a connection for what is wanted. A new one stands before the old one ends, so others lose nothing. */
async function listen(client: Client, request: FollowRequest, push: Push): Promise<void> {
  const { signal } = request;
  const roster = createRoster(client, signal, push);
  let failures = 0;
  let line: Line | undefined;
  const onSuccess = () => {
    failures = 0;
  };
  while (!signal.aborted) {
    const { symbols: wanted, changed } = request.wanted();
    const symbols = roster.of(wanted);
    try {
      if (symbols.length === 0) {
        line?.close();
        line = undefined;
      } else {
        const next = await roster.ask(symbols, () => openLine(client, symbols, signal));
        if (line?.fault !== undefined) await push(disconnected(line.fault, 0));
        if (line?.fault !== undefined || line === undefined) await push(CONNECTED);
        next.read(push, onSuccess);
        line?.retire();
        line = next;
      }
      await untilAborted([signal, changed], line?.ended);
      if (line?.fault !== undefined) throw line.fault;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Hiccup)) throw error;
      failures += 1;
      const retryInMs = Math.round(client.backoff(failures, error));
      // When the old connection still stands, only the new one has to wait.
      if (line === undefined || line.fault !== undefined) {
        line = undefined;
        await push(disconnected(error, retryInMs));
      }
      await delay(retryInMs, undefined, { signal }).catch(() => {});
    }
  }
}

const CONNECTED: Item = { kind: 'state', state: 'connected' };

const disconnected = (error: Error, retryInMs: number): Item => ({
  kind: 'state',
  state: 'disconnected',
  reason: error.message,
  retryInMs,
  isAsked: error instanceof Hiccup && error.retryAfter > 0,
});

/** Waits until one of the signals aborts or the other thing happens. */
async function untilAborted(signals: readonly AbortSignal[], other?: Promise<void>): Promise<void> {
  if (signals.some(signal => signal.aborted)) return;
  await new Promise<void>(resolve => {
    const done = () => {
      for (const signal of signals) signal.removeEventListener('abort', done);
      resolve();
    };
    for (const signal of signals) signal.addEventListener('abort', done);
    void other?.then(done);
  });
}

/** One connection to the stream. */
interface Line {
  /** Resolves when it is over: by a fault, or because it was closed. */
  readonly ended: Promise<void>;
  readonly fault: Error | undefined;
  /** Begins to say what comes. */
  readonly read: (push: Push, onPriceOrHeartbeat: () => void) => void;
  /** Ends with a sign of life after which what it has said and what its successor says overlap. */
  readonly retire: () => void;
  readonly close: () => void;
}

async function openLine(
  client: Client,
  wanted: readonly string[],
  stopped: AbortSignal,
): Promise<Line> {
  const symbols = new Set(wanted);
  const connection = new AbortController();
  const close = () => connection.abort();
  stopped.addEventListener('abort', close);
  const end = Promise.withResolvers<void>();
  void end.promise.then(() => stopped.removeEventListener('abort', close));
  let fault: Error | undefined;
  let retiredAt: string | undefined;
  const reader = await client.prices([...symbols], connection).catch((error: unknown) => {
    end.resolve();
    throw error;
  });
  let saidUntil = fromEpochMilliseconds(client.now());

  async function readAll(push: Push, onPriceOrHeartbeat: () => void): Promise<void> {
    const splitter = createLineSplitter(LINE_LIMIT);
    // Only usable lines are a sign of life, not single bytes.
    const patience = createPatience(client.timings.silence, connection);
    while (!connection.signal.aborted) {
      const { value, done } = await patience.wait(() => reader.read());
      if (done) throw new Hiccup('the stream was closed by the other side');
      const heardUntil = fromEpochMilliseconds(client.now() - client.timings.lag);
      const messages = splitter
        .push(value)
        .filter(line => line.isTooLong || line.text.trim() !== '')
        .map(line => readMessage(line, symbols, client.now()));
      const isAlive = messages.some(isSignOfLife);
      patience.heard(isAlive);
      if (messages.some(isPriceOrHeartbeat)) onPriceOrHeartbeat();
      for (const item of sortOut(messages)) await push(item);
      if (!isAlive) continue;
      if (heardUntil >= saidUntil) {
        await push({ kind: 'covered', symbols: [...symbols], from: saidUntil, to: heardUntil });
        saidUntil = heardUntil;
      }
      if (retiredAt !== undefined && saidUntil >= retiredAt) close();
    }
  }

  return {
    ended: end.promise,
    get fault() {
      return fault;
    },
    read: (push, onPriceOrHeartbeat) => {
      readAll(push, onPriceOrHeartbeat)
        .catch((error: unknown) => {
          const { aborted, reason } = connection.signal;
          // What was closed by us ends with an error too.
          const isClosed = aborted && !(reason instanceof Hiccup);
          if (!isClosed) fault = error instanceof Error ? error : new Error(String(error));
        })
        .finally(() => {
          close();
          end.resolve();
        });
    },
    retire: () => {
      retiredAt = fromEpochMilliseconds(client.now());
    },
    close,
  };
}

/** What is no tick first, then the ticks as one group. */
function sortOut(messages: readonly Message[]): Item[] {
  const ticks = messages.flatMap(message => (message.kind === 'tick' ? [message.tick] : []));
  const rejected = messages.flatMap((message): Item[] =>
    message.kind === 'rejected' ? [{ kind: 'rejected', rejection: message.rejection }] : [],
  );
  return ticks.length === 0 ? rejected : [...rejected, { kind: 'ticks', ticks }];
}

const isPriceOrHeartbeat = (message: Message) =>
  message.kind === 'tick' ||
  message.kind === 'heartbeat' ||
  (message.kind === 'rejected' && message.isPrice);

const isSignOfLife = (message: Message) =>
  message.kind === 'unknown' || isPriceOrHeartbeat(message);
