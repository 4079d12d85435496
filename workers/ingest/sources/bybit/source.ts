import { Hiccup } from '../../connection.ts';
import { createDesk, createExchange, type ExchangeOptions } from '../../exchange.ts';
import { createHindsight, type Hindsight } from '../../hindsight.ts';
import { liveNetwork } from '../../network.ts';
import { repairBackwards } from '../../pages.ts';
import type { Source, SourceEntry } from '../../source.ts';
import { createTalk } from '../../talk.ts';
import type { Mark } from '../../trail.ts';
import { followWire, WIRE_TIMINGS } from '../../websocket.ts';
import {
  readInstruments,
  readList,
  readMessage,
  readTrades,
  toName,
  toSymbol,
} from './messages.ts';

export const BYBIT_WATCHLIST: readonly string[] = [
  'BTCUSDT',
  'ETHUSDT',
  'SOLUSDT',
  'XRPUSDT',
  'DOGEUSDT',
  'ADAUSDT',
  'LTCUSDT',
  'LINKUSDT',
].map(toSymbol);

const PAGE = 60;
const MOST_TOPICS = 10;
const SHUT_OUT_MS = 5_000;

/**
 * Trades and best quotes of Bybit's spot markets; no key is needed. What was missed is known exactly by the ids
 * of trades, but only the last 60 of a symbol can be fetched: what lies before them is given up, and told. What was
 * quoted meanwhile nobody has.
 */
export function createBybit(options: ExchangeOptions = {}): Source {
  const { network = liveNetwork, now = network.now, apiUrl = 'https://api.bybit.com' } = options;
  const { streamUrl = 'wss://stream.bybit.com/v5/public/spot' } = options;
  // Of 120 a second, which all behind one address share.
  const desk = createDesk({ url: apiUrl, network, limits: { perSecond: 10, burst: 20 } });
  // It answers pings, and says each book again after 3 seconds without a change.
  const timings = { ...WIRE_TIMINGS, silence: 30_000, ...options.timings };

  async function ask(path: string, signal?: AbortSignal): Promise<unknown[]> {
    const answer = readList(await desk.ask(path, signal));
    if (answer === null) throw new Hiccup('the answer is not one of Bybit');
    const { list, fault, isTooOften } = answer;
    if (fault === '') return list;
    if (isTooOften) desk.budget.pause(SHUT_OUT_MS);
    throw new Hiccup(fault, isTooOften ? SHUT_OUT_MS : 0);
  }

  const wire = {
    label: 'Bybit',
    budget: desk.budget,
    network,
    now,
    timings,
    ...(options.random && { random: options.random }),
    talk: (symbols: readonly string[]) => {
      const asked = new Set(symbols);
      const updates = new Map<string, string>();
      const hindsights = new Map<string, Hindsight>(
        symbols.map(symbol => [symbol, createHindsight(timings.overlap / 3)]),
      );
      const topics = ['publicTrade', 'orderbook.1'].flatMap(kind =>
        symbols.map(symbol => `${kind}.${toName(symbol)}`),
      );
      const greeting = Array.from({ length: Math.ceil(topics.length / MOST_TOPICS) }, (_, index) =>
        JSON.stringify({
          req_id: String(index + 1),
          op: 'subscribe',
          args: topics.slice(index * MOST_TOPICS, (index + 1) * MOST_TOPICS),
        }),
      );
      let answered = 0;
      return createTalk({
        url: streamUrl,
        greeting,
        ping: JSON.stringify({ op: 'ping' }),
        symbols,
        read: text => {
          const said = readMessage(text, {
            symbols: asked,
            now: now(),
            isOther: (symbol, update) => {
              const before = updates.get(symbol);
              updates.set(symbol, update);
              return update !== before;
            },
            hindsightOf: symbol => hindsights.get(symbol) ?? createHindsight(timings.overlap),
          });
          if (!said.some(({ kind }) => kind === 'subscribed')) return said;
          // Each request is answered, and only the last answer tells that all is taken.
          answered += 1;
          if (answered < greeting.length) return [{ kind: 'alive' }];
          for (const hindsight of hindsights.values()) hindsight.begin();
          return said;
        },
      });
    },
  };
  const archive = {
    label: 'Bybit',
    now,
    before: async (symbol: string, _: Mark | null, signal: AbortSignal) => {
      const name = encodeURIComponent(toName(symbol));
      const path = `/v5/market/recent-trade?category=spot&symbol=${name}&limit=${PAGE}`;
      const trades = readTrades(await ask(path, signal), symbol, now());
      if (trades === null) throw new Hiccup('the answer is not a list of trades');
      return trades;
    },
  };
  return createExchange({
    name: 'bybit',
    label: 'Bybit',
    description: 'Bybit spot, trades and best quotes',
    watchlist: BYBIT_WATCHLIST,
    toSymbol,
    ...(options.listWaits && { listWaits: options.listWaits }),
    fetchList: async signal =>
      readInstruments(await ask('/v5/market/instruments-info?category=spot', signal)),
    follow: request => followWire(wire, request),
    repair: (gap, request) => repairBackwards(archive, gap, request),
  });
}

export const bybit: SourceEntry = {
  name: 'bybit',
  create: (config, _, outside) => createBybit({ ...config.bybit, ...outside }),
};
