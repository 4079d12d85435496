import { setTimeout as delay } from 'node:timers/promises';
import { createLineSplitter } from '../../lines.ts';
import {
  type Instrument,
  type Source,
  SourceError,
  type Tick,
  type TickRequest,
} from '../../source.ts';
import { quote } from '../../text.ts';
import { type Client, createClient, Hiccup, type OandaOptions, within } from './client.ts';
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
 * OANDA's v20 price stream. It has no sequence and no replay: what is missed is missed, and the
 * `disconnected` and `connected` events tell when.
 * @throws {SourceError} for a token that cannot be one.
 */
export function createOanda(options: OandaOptions): Source {
  const client = createClient(options);
  return {
    name: 'oanda',
    isSimulated: false,
    instruments: (symbols, signal) => fetchInstruments(client, symbols, signal),
    ticks: request => follow(client, request),
  };
}

async function fetchInstruments(
  client: Client,
  symbols: readonly string[],
  stopped?: AbortSignal,
): Promise<readonly Instrument[]> {
  const offered = new Map(
    (await fetchOffered(client, stopped)).map(instrument => [instrument.symbol, instrument]),
  );
  // Accounts differ: some countries have no metals and no indices. Only what was asked for must be there.
  if (symbols.length === 0) {
    return OANDA_WATCHLIST.flatMap(symbol => offered.get(symbol) ?? []);
  }
  return [...new Set(symbols)].map(symbol => {
    const instrument = offered.get(symbol);
    if (instrument !== undefined) return instrument;
    throw new SourceError(`OANDA does not offer ${quote(symbol)} to this account`);
  });
}

async function fetchOffered(client: Client, stopped?: AbortSignal): Promise<Instrument[]> {
  const { timings, apiUrl } = client;
  for (let failures = 1; ; failures++) {
    try {
      const signal = new AbortController();
      stopped?.addEventListener('abort', () => signal.abort(), { once: true });
      return await within(timings.answer, signal, async () => {
        const response = await client.get(`${apiUrl}/instruments`, signal.signal);
        const list = readInstruments(await response.json());
        if (list === null) throw new Hiccup('the answer is not a list of instruments');
        return list;
      });
    } catch (error) {
      if (!(error instanceof Hiccup)) throw error;
      if (stopped?.aborted || failures >= timings.instrumentTries) {
        throw new Error(`OANDA cannot be reached: ${error.message}`, { cause: error });
      }
      await delay(client.backoff(failures, error), undefined, stopped && { signal: stopped }).catch(
        () => undefined,
      );
    }
  }
}

async function* follow(client: Client, request: TickRequest): AsyncGenerator<readonly Tick[]> {
  const { signal, report } = request;
  if (request.symbols.length === 0) throw new SourceError('OANDA was asked for no symbol');
  let failures = 0;
  while (!signal.aborted) {
    try {
      yield* stream(client, request, () => {
        failures = 0;
      });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Hiccup)) throw error;
      failures += 1;
      const retryInMs = Math.round(client.backoff(failures, error));
      report({ kind: 'disconnected', reason: error.message, retryInMs });
      await delay(retryInMs, undefined, { signal }).catch(() => {});
    }
  }
}

/** One connection. It ends only by an error. */
async function* stream(client: Client, request: TickRequest, onPriceOrHeartbeat: () => void) {
  const { signal, report } = request;
  const { answer, silence } = client.timings;
  const symbols = new Set(request.symbols);
  const connection = new AbortController();
  const stop = () => connection.abort();
  signal.addEventListener('abort', stop);
  try {
    const url = `${client.streamUrl}/pricing/stream?instruments=${encodeURIComponent([...symbols].join(','))}`;
    const response = await within(answer, connection, () => client.get(url, connection.signal));
    if (response.body === null) throw new Hiccup('the stream has no content');
    report({ kind: 'connected' });
    const reader = response.body.getReader();
    const splitter = createLineSplitter(LINE_LIMIT);
    // Only waiting counts, not what our consumer takes; and only usable lines end it, not single bytes.
    let patience = silence;
    for (;;) {
      const since = performance.now();
      const { value, done } = await within(patience, connection, () => reader.read(), silence);
      if (done) throw new Hiccup('the stream was closed by the other side');
      const messages = splitter
        .push(value)
        .filter(line => line.text.trim() !== '')
        .map(line => readMessage(line, symbols, client.now()));
      const isAlive = messages.some(isSignOfLife);
      patience = isAlive ? silence : patience - (performance.now() - since);
      if (messages.some(isPriceOrHeartbeat)) onPriceOrHeartbeat();
      const ticks = sortOut(messages, request);
      if (isAlive) report({ kind: 'alive' });
      if (ticks.length > 0) yield ticks;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    connection.abort();
  }
}

/** Reports what is no tick, returns what is. */
function sortOut(messages: readonly Message[], { report }: TickRequest): Tick[] {
  return messages.flatMap(message => {
    if (message.kind === 'rejected') report({ kind: 'rejected', rejection: message.rejection });
    return message.kind === 'tick' ? [message.tick] : [];
  });
}

const isPriceOrHeartbeat = (message: Message) =>
  message.kind === 'tick' ||
  message.kind === 'heartbeat' ||
  (message.kind === 'rejected' && message.isPrice);

const isSignOfLife = (message: Message) =>
  message.kind === 'unknown' || isPriceOrHeartbeat(message);
