import { Hiccup } from '../../connection.ts';
import { createDesk, createExchange, type ExchangeOptions } from '../../exchange.ts';
import { createHindsight } from '../../hindsight.ts';
import { liveNetwork } from '../../network.ts';
import { repairBackwards } from '../../pages.ts';
import type { Source, SourceEntry } from '../../source.ts';
import { createTalk } from '../../talk.ts';
import type { Mark } from '../../trail.ts';
import { followWire, WIRE_TIMINGS } from '../../websocket.ts';
import { readMessage, readSymbols, readTrades } from './messages.ts';

export const BINANCE_WATCHLIST: readonly string[] = [
  'BTCUSDT',
  'ETHUSDT',
  'SOLUSDT',
  'XRPUSDT',
  'DOGEUSDT',
  'ADAUSDT',
  'LTCUSDT',
  'LINKUSDT',
];

const PAGE = 1_000n;
const BOOK_LASTS_MS = 60_000;

/**
 * Trades and best quotes of Binance's spot markets, from the hosts that have market data alone: they need no
 * key and answer in countries where others do not. A trade is an aggregate of what one order took at one
 * price: their ids grow by one per symbol, and only they can be fetched there. What was quoted while we were
 * away nobody has: what the ledger proves are the trades.
 */
export function createBinance(options: ExchangeOptions = {}): Source {
  const {
    network = liveNetwork,
    now = network.now,
    apiUrl = 'https://data-api.binance.vision',
  } = options;
  const { streamUrl = 'wss://data-stream.binance.vision' } = options;
  const desk = createDesk({
    url: apiUrl,
    network,
    // A page weighs 4, of 6,000 a minute, which all behind one address share.
    limits: { perSecond: 8, burst: 10 },
    // Banned for a while, after too many questions.
    passing: [418],
    wordsIn: json => (json as { msg?: unknown }).msg,
  });
  // All it sends while nothing happens is a ping every 20 seconds.
  const timings = { ...WIRE_TIMINGS, silence: 45_000, ...options.timings };
  const books = new Map<string, { update: bigint; at: number }>();

  /** Two connections hear the same for a while, and what they hear of the book has no time to know it by. */
  function isNewer(symbol: string, update: bigint): boolean {
    const said = books.get(symbol);
    const at = now();
    // Should it ever count from the beginning, that is not taken for old for long.
    if (said !== undefined && update <= said.update && at - said.at < BOOK_LASTS_MS) return false;
    books.set(symbol, { update, at });
    return true;
  }

  const wire = {
    label: 'Binance',
    budget: desk.budget,
    network,
    now,
    timings,
    ...(options.random && { random: options.random }),
    talk: (symbols: readonly string[]) => {
      const asked = new Set(symbols);
      const hindsight = createHindsight(timings.overlap / 3);
      const streams = ['aggTrade', 'bookTicker'].flatMap(kind =>
        symbols.map(symbol => `${symbol.toLowerCase()}@${kind}`),
      );
      return createTalk({
        url: `${streamUrl.replace(/\/+$/, '')}/stream`,
        greeting: [JSON.stringify({ method: 'SUBSCRIBE', params: streams, id: 1 })],
        symbols,
        read: (text, _, cameAt) => {
          const hearing = { symbols: asked, now: now(), cameAt, isNewer, hindsight };
          const said = readMessage(text, hearing);
          if (said.some(({ kind }) => kind === 'subscribed')) hindsight.begin();
          return said;
        },
      });
    },
  };
  const archive = {
    label: 'Binance',
    now,
    before: async (symbol: string, mark: Mark | null, signal: AbortSignal) => {
      const first = mark === null ? null : mark.id > PAGE ? mark.id - PAGE : 0n;
      const cursor = first === null ? '' : `&fromId=${first}`;
      const path = `/api/v3/aggTrades?symbol=${encodeURIComponent(symbol)}&limit=${PAGE}${cursor}`;
      const trades = readTrades(await desk.ask(path, signal), symbol, now());
      if (trades === null) throw new Hiccup('the answer is not a list of trades');
      return trades;
    },
  };
  return createExchange({
    name: 'binance',
    label: 'Binance',
    description: 'Binance spot, aggregate trades and best quotes',
    watchlist: BINANCE_WATCHLIST,
    ...(options.listWaits && { listWaits: options.listWaits }),
    fetchList: async signal => {
      const path = '/api/v3/exchangeInfo?symbolStatus=TRADING&showPermissionSets=false';
      const list = readSymbols(await desk.ask(path, signal));
      if (list === null) throw new Hiccup('the answer is not a list of symbols');
      return list;
    },
    follow: request => followWire(wire, request),
    repair: (gap, request) => repairBackwards(archive, gap, request),
  });
}

export const binance: SourceEntry = {
  name: 'binance',
  create: (config, _, outside) => createBinance({ ...config.binance, ...outside }),
};
