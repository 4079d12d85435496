import { setTimeout as delay } from 'node:timers/promises';
import { pushed } from '../../channel.ts';
import { createPatience, Hiccup } from '../../connection.ts';
import type { InstrumentList } from '../../instruments.ts';
import { createLineSplitter } from '../../lines.ts';
import {
  type FollowRequest,
  type Instrument,
  type Item,
  type Skipped,
  type Source,
  type SourceEntry,
  SourceError,
} from '../../source.ts';
import { quote } from '../../text.ts';
import { fromEpochMilliseconds } from '../../time.ts';
import { type Client, createClient, type OandaOptions } from './client.ts';
import { type Message, readInstruments, readMessage } from './messages.ts';

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
 * OANDA's v20 price stream. It has no sequence and no replay: what happened between two connections is
 * missed.
 * @throws {SourceError} for a token that cannot be one.
 */
export function createOanda(options: OandaOptions): Source {
  const client = createClient(options);
  return {
    name: 'oanda',
    description: 'OANDA v20 pricing stream',
    isSimulated: false,
    instruments: (...asked) => fetchInstruments(client, ...asked),
    follow: request => follow(client, request),
  };
}

export const oanda: SourceEntry = {
  name: 'oanda',
  create: config => {
    const { token, accountId, environment, streamUrl, apiUrl } = config.oanda;
    if (token === undefined || accountId === undefined) {
      const missing = [
        ...(token === undefined ? ['OANDA_API_TOKEN'] : []),
        ...(accountId === undefined ? ['OANDA_ACCOUNT_ID'] : []),
      ];
      throw new SourceError(`wrong configuration: the source oanda needs ${missing.join(' and ')}`);
    }
    return createOanda({ token, accountId, environment, streamUrl, apiUrl });
  },
};

async function fetchInstruments(
  client: Client,
  symbols: readonly string[],
  stopped?: AbortSignal,
  onSkipped?: (skipped: readonly Skipped[]) => void,
): Promise<readonly Instrument[]> {
  const { instruments, skipped } = await fetchOffered(client, stopped);
  if (skipped.length > 0) onSkipped?.(skipped);
  const offered = new Map(instruments.map(instrument => [instrument.symbol, instrument]));
  // Accounts differ: some countries have no metals and no indices. Only what was asked for must be there.
  if (symbols.length === 0) {
    return OANDA_WATCHLIST.flatMap(symbol => offered.get(symbol) ?? []);
  }
  const unusable = new Set(skipped.map(({ name }) => name));
  return [...new Set(symbols)].flatMap(symbol => {
    const instrument = offered.get(symbol);
    if (instrument !== undefined) return instrument;
    if (unusable.has(quote(symbol))) return [];
    throw new SourceError(`OANDA does not offer ${quote(symbol)} to this account`);
  });
}

async function fetchOffered(client: Client, stopped?: AbortSignal): Promise<InstrumentList> {
  for (let failures = 1; ; failures++) {
    try {
      const list = readInstruments(await client.instruments(stopped));
      if (list === null) throw new Hiccup('the answer is not a list of instruments');
      return list;
    } catch (error) {
      if (!(error instanceof Hiccup)) throw error;
      if (stopped?.aborted || failures >= client.timings.instrumentTries) {
        throw new Error(`OANDA cannot be reached: ${error.message}`, { cause: error });
      }
      await delay(client.backoff(failures, error), undefined, stopped && { signal: stopped }).catch(
        () => undefined,
      );
    }
  }
}

function follow(client: Client, request: FollowRequest): AsyncGenerator<Item> {
  return pushed(request.signal, (signal, push) => listen(client, { ...request, signal }, push));
}

type Push = (item: Item) => Promise<void>;

/** Holds a connection for what is wanted. A new one stands before the old one ends, so others lose nothing. */
async function listen(client: Client, request: FollowRequest, push: Push): Promise<void> {
  const { signal } = request;
  let failures = 0;
  let line: Line | undefined;
  const onSuccess = () => {
    failures = 0;
  };
  while (!signal.aborted) {
    const { symbols, changed } = request.wanted();
    try {
      if (symbols.length === 0) {
        line?.close();
        line = undefined;
      } else {
        const next = await openLine(client, symbols, signal);
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

const disconnected = ({ message }: Error, retryInMs: number): Item => ({
  kind: 'state',
  state: 'disconnected',
  reason: message,
  retryInMs,
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
  /** Ends after its next sign of life: what it has said and what its successor says then overlap. */
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
  let isRetired = false;
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
      const heardAt = fromEpochMilliseconds(client.now());
      const messages = splitter
        .push(value)
        .filter(line => line.isTooLong || line.text.trim() !== '')
        .map(line => readMessage(line, symbols, client.now()));
      const isAlive = messages.some(isSignOfLife);
      patience.heard(isAlive);
      if (messages.some(isPriceOrHeartbeat)) onPriceOrHeartbeat();
      for (const item of sortOut(messages)) await push(item);
      if (!isAlive) continue;
      if (heardAt >= saidUntil) {
        await push({ kind: 'covered', symbols: [...symbols], from: saidUntil, to: heardAt });
        saidUntil = heardAt;
      }
      if (isRetired) close();
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
      isRetired = true;
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
