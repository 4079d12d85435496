import type { ExchangeOptions } from '../exchange.ts';
import type { FakeExchange } from '../fake_exchange.ts';
import type { Source } from '../source.ts';
import { startFakeBinance } from '../sources/binance/fake.ts';
import { createBinance } from '../sources/binance/source.ts';
import { startFakeBybit } from '../sources/bybit/fake.ts';
import { createBybit } from '../sources/bybit/source.ts';
import { startFakeCoinbase } from '../sources/coinbase/fake.ts';
import { createCoinbase } from '../sources/coinbase/source.ts';
import { startFakeKraken } from '../sources/kraken/fake.ts';
import { createKraken } from '../sources/kraken/source.ts';

export interface TestedExchange {
  readonly name: string;
  readonly start: () => Promise<FakeExchange>;
  readonly create: (options: ExchangeOptions) => Source;
  /** Three of its symbols, and ours of them. */
  readonly theirs: readonly [string, string, string];
  readonly ours: readonly [string, string, string];
  /** Its heartbeats tell of the last trade. */
  readonly tellsLastId: boolean;
  /** A subscription to a symbol that it does not have is refused; else only its list tells. */
  readonly tellsRefusals: boolean;
  /** A subscription begins with trades of before. */
  readonly sendsSnapshots: boolean;
  /** How many trades of a symbol its REST interface has; all when absent. What is older can only be given up. */
  readonly remembers?: number;
}

/** A source that is an exchange, with its fake: a line here, and it has to pass all that the others pass. */
export const exchanges: readonly TestedExchange[] = [
  {
    name: 'coinbase',
    start: startFakeCoinbase,
    create: createCoinbase,
    theirs: ['BTC-USD', 'ETH-USD', 'DOGE-USD'],
    ours: ['BTC-USD', 'ETH-USD', 'DOGE-USD'],
    tellsLastId: true,
    tellsRefusals: true,
    sendsSnapshots: true,
  },
  {
    name: 'kraken',
    start: startFakeKraken,
    create: createKraken,
    theirs: ['BTC/USD', 'ETH/USD', 'DOGE/USD'],
    ours: ['BTC-USD.KRAKEN', 'ETH-USD.KRAKEN', 'DOGE-USD.KRAKEN'],
    tellsLastId: false,
    tellsRefusals: true,
    sendsSnapshots: true,
  },
  {
    name: 'binance',
    start: startFakeBinance,
    create: createBinance,
    theirs: ['BTCUSDT', 'ETHUSDT', 'DOGEUSDT'],
    ours: ['BTCUSDT', 'ETHUSDT', 'DOGEUSDT'],
    tellsLastId: false,
    tellsRefusals: false,
    sendsSnapshots: false,
  },
  {
    name: 'bybit',
    start: startFakeBybit,
    create: createBybit,
    theirs: ['BTCUSDT', 'ETHUSDT', 'DOGEUSDT'],
    ours: ['BTCUSDT.BYBIT', 'ETHUSDT.BYBIT', 'DOGEUSDT.BYBIT'],
    tellsLastId: false,
    tellsRefusals: true,
    sendsSnapshots: false,
    remembers: 60,
  },
];

/** The same numbers for the same seed, from 0 to 1. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
