import { Hiccup } from '../../connection.ts';
import { createDesk, createExchange, type ExchangeOptions } from '../../exchange.ts';
import { liveNetwork } from '../../network.ts';
import { repairBackwards } from '../../pages.ts';
import type { Source, SourceEntry } from '../../source.ts';
import { createTalk } from '../../talk.ts';
import { epochMicroseconds } from '../../time.ts';
import type { Trade } from '../../trade.ts';
import type { Mark } from '../../trail.ts';
import { followWire, WIRE_TIMINGS } from '../../websocket.ts';
import { readAnswer, readMessage, readPairs, readTrades, toPair, toSymbol } from './messages.ts';

export const KRAKEN_WATCHLIST: readonly string[] = [
  'BTC/USD',
  'ETH/USD',
  'SOL/USD',
  'XRP/USD',
  'DOGE/USD',
  'ADA/USD',
  'LTC/USD',
  'BTC/EUR',
].map(toSymbol);

const PAGE = 1_000;
const SECOND = 1_000_000;
const FIRST_SPAN = 600 * SECOND;
const LONGEST_SPAN = 5 * 365 * 86_400 * SECOND;
/** Kraken answers about one public request a second; what asks faster is shut out for longer. */
const SHUT_OUT_MS = 5_000;

/**
 * Trades and best quotes of Kraken's spot markets; no key is needed. Trade ids grow by one per book. The first
 * thing on a connection is the last 50 trades of each, which bridge a short cut without asking. What was
 * quoted meanwhile nobody has: what the ledger proves are the trades.
 */
export function createKraken(options: ExchangeOptions = {}): Source {
  const { network = liveNetwork, now = network.now, apiUrl = 'https://api.kraken.com' } = options;
  const { streamUrl = 'wss://ws.kraken.com/v2' } = options;
  const desk = createDesk({ url: apiUrl, network, limits: { perSecond: 1, burst: 15 } });
  let pairs: ReadonlyMap<string, string> | undefined;
  /** How much time a page of a symbol's trades takes, in microseconds. */
  const spans = new Map<string, number>();

  async function ask(path: string, signal?: AbortSignal): Promise<Record<string, unknown>> {
    const answer = readAnswer(await desk.ask(path, signal));
    if (answer === null) throw new Hiccup('the answer is not one of Kraken');
    if (answer.fault === '') return answer.result;
    const isTooOften = /too many|rate limit/i.test(answer.fault);
    if (isTooOften) desk.budget.pause(SHUT_OUT_MS);
    throw new Hiccup(answer.fault, isTooOften ? SHUT_OUT_MS : 0);
  }

  async function fetchList(signal?: AbortSignal) {
    const list = readPairs(await ask('/0/public/AssetPairs', signal));
    pairs = list.pairs;
    return list;
  }

  async function fetchSince(symbol: string, since: number | null, signal: AbortSignal) {
    if (pairs === undefined) await fetchList(signal);
    const pair = pairs?.get(symbol);
    if (pair === undefined) throw new Hiccup(`Kraken does not list ${toPair(symbol)} now`);
    // Nanoseconds as text, and of those after that moment.
    const cursor = since === null ? '' : `&since=${since}000`;
    const path = `/0/public/Trades?pair=${encodeURIComponent(pair)}&count=${PAGE}${cursor}`;
    const trades = readTrades(await ask(path, signal), symbol, now());
    if (trades === null) throw new Hiccup('the answer is not a list of trades');
    return trades;
  }

  /** Kraken gives pages that begin at a time: the span is found that ends with the wanted trade. */
  async function before(symbol: string, mark: Mark | null, signal: AbortSignal): Promise<Trade[]> {
    if (mark === null) return fetchSince(symbol, null, signal);
    const end = epochMicroseconds(mark.time);
    for (let span = spans.get(symbol) ?? FIRST_SPAN; ; ) {
      const page = await fetchSince(symbol, Math.max(0, end - span), signal);
      const last = page.at(-1)?.mark.id ?? 0n;
      const isWhole = page.length < PAGE || last >= mark.id - 1n;
      const found = page.filter(trade => trade.mark.id < mark.id);
      if (isWhole && (found.length > 0 || span >= LONGEST_SPAN)) {
        const factor = page.length < PAGE / 4 ? 2 : 1;
        spans.set(symbol, Math.min(span * factor, LONGEST_SPAN));
        return found;
      }
      if (!isWhole && span <= 1) return found;
      span = isWhole ? Math.min(span * 8, LONGEST_SPAN) : Math.ceil(span / 4);
    }
  }

  const wire = {
    label: 'Kraken',
    budget: desk.budget,
    network,
    now,
    timings: { ...WIRE_TIMINGS, ping: 2_000, ...options.timings },
    ...(options.random && { random: options.random }),
    talk: (symbols: readonly string[]) => {
      const asked = new Set(symbols);
      let pongAt: string | null = null;
      const subscribe = (request: number, params: object) =>
        JSON.stringify({
          method: 'subscribe',
          params: { ...params, symbol: symbols.map(toPair) },
          req_id: request,
        });
      return createTalk({
        url: streamUrl,
        greeting: [
          // The default of snapshot differs between the versions of the documentation.
          subscribe(1, { channel: 'trade', snapshot: true }),
          subscribe(2, { channel: 'ticker', event_trigger: 'bbo', snapshot: true }),
        ],
        ping: JSON.stringify({ method: 'ping' }),
        symbols,
        read: (text, _, cameAt) =>
          readMessage(text, {
            symbols: asked,
            now: now(),
            cameAt,
            pongBefore: time => {
              const last = pongAt;
              pongAt = time;
              return last;
            },
          }),
      });
    },
  };
  const archive = { label: 'Kraken', now, before };
  return createExchange({
    name: 'kraken',
    label: 'Kraken',
    description: 'Kraken spot, trades and best quotes',
    watchlist: KRAKEN_WATCHLIST,
    toSymbol,
    ...(options.listWaits && { listWaits: options.listWaits }),
    fetchList,
    follow: request => followWire(wire, request),
    repair: (gap, request) => repairBackwards(archive, gap, request),
  });
}

export const kraken: SourceEntry = {
  name: 'kraken',
  create: (config, _, outside) => createKraken({ ...config.kraken, ...outside }),
};
