import { createPublicHosts } from '../../public_host.ts';
import type { FakeExchange, FakeTrade } from '../fake_exchange.ts';
import type { Source, Tick } from '../source.ts';
import { startFakeOanda } from '../sources/oanda/fake.ts';
import { createOanda } from '../sources/oanda/source.ts';
import { startFakePolled } from '../sources/polled/fake.ts';
import { createPolled } from '../sources/polled/source.ts';
import { toMicroseconds } from '../time.ts';
import type { WireTimings } from '../websocket.ts';
import { exchanges, type TestedExchange } from './exchanges.ts';

/** What every source has to stand, each played by a test of `conformance.test.ts` for each of them. */
export const FAULTS = [
  'split and joined chunks',
  'duplicates',
  'out of order',
  'ids skipped that REST can fill',
  'ids skipped that REST cannot fill',
  'a snapshot that overlaps what is stored',
  'half-open silence',
  'heartbeats without data',
  '401',
  '403',
  '418',
  '429 with Retry-After',
  'maintenance',
  'one symbol of three refused',
  'numbers beyond 2^53',
  'prices whose text changes through a float',
  'bad JSON',
  'unknown message types',
  'a clock ahead',
  'a clock behind',
  'weekend prices that are not tradeable',
  'a cut at 24 hours',
] as const;

export type Fault = (typeof FAULTS)[number];

/** A fake as the suite plays it, whatever its provider is. */
export interface PlayedFake
  extends Pick<
    FakeExchange,
    | 'trade'
    | 'log'
    | 'beat'
    | 'again'
    | 'drop'
    | 'goSilent'
    | 'cut'
    | 'refuseNext'
    | 'say'
    | 'skew'
    | 'chop'
    | 'requests'
    | 'close'
  > {
  /** The provider has it no more, for whoever asks from now on. */
  readonly delist: (symbol: string) => void;
  /** Time passes on both clocks, until what the provider has of before is complete. */
  readonly pass?: () => void;
  /** What was traded will never be told. */
  readonly forget: (trade: FakeTrade) => void;
  /** A price that nobody can trade at. */
  readonly shut?: (symbol: string) => void;
  readonly create: (timings: Partial<WireTimings>) => Promise<Source>;
  /** What the operator is told beside states and rejections. */
  readonly told: () => readonly string[];
}

export interface Played {
  readonly name: string;
  readonly theirs: readonly [string, string, string];
  readonly ours: readonly [string, string, string];
  readonly start: () => Promise<PlayedFake>;
  /** What its provider cannot do, and why. */
  readonly cannot: Partial<Readonly<Record<Fault, string>>>;
  /** What tells that nothing was missed: trade ids, the connection, or, between two polls, nothing. */
  readonly proof: 'ids' | 'connection' | 'none';
  /** It is asked again and again, instead of telling. */
  readonly isPolled: boolean;
  /** Of so many prices of a symbol in a row each is told. */
  readonly atOnce: number;
  /** A refusal of its token cannot be mended by waiting. */
  readonly endsRefused: boolean;
  /** One that is refused is told by the source, and not by its list alone. */
  readonly tellsRefusals: boolean;
  /** How many trades of a symbol its REST interface has; all when absent. */
  readonly remembers?: number;
  /** What tells one price from another. */
  readonly rowOf: (tick: Tick) => readonly unknown[];
  readonly rowOfTrade: (trade: FakeTrade) => readonly unknown[];
}

const noWeekend = 'it trades day and night';
const noIds = 'its prices have no ids';

const byId = {
  rowOf: ({ seq, observedAt, last, size }: Tick) => [String(seq), observedAt, last, size],
  rowOfTrade: ({ id, time, price, size }: FakeTrade) => [
    String(id),
    time,
    Number(price),
    Number(size),
  ],
};

const toPlayed = (exchange: TestedExchange): Played => ({
  name: exchange.name,
  theirs: exchange.theirs,
  ours: exchange.ours,
  start: async () => {
    const fake = await exchange.start();
    return {
      ...fake,
      // The list has it no more, and neither has a subscription.
      delist: symbol => {
        fake.delist(symbol);
        fake.refuseSymbol(symbol);
      },
      create: async timings =>
        exchange.create({
          streamUrl: fake.streamUrl,
          apiUrl: fake.url,
          timings,
          listWaits: [1, 1],
        }),
      told: () => [],
    };
  },
  cannot: {
    'weekend prices that are not tradeable': noWeekend,
    ...(!exchange.sendsSnapshots && {
      'a snapshot that overlaps what is stored': 'its stream begins with what is traded next',
    }),
  },
  proof: 'ids',
  isPolled: false,
  atOnce: Number.POSITIVE_INFINITY,
  endsRefused: false,
  tellsRefusals: exchange.tellsRefusals,
  ...(exchange.remembers !== undefined && { remembers: exchange.remembers }),
  ...byId,
});

const access = { token: 'fake-token', accountId: '101-004-1234567-001' };

/** The digits of a time below its microseconds are the `seq` of a price. */
const oandaRows = {
  rowOf: ({ observedAt, seq, bid, ask }: Tick) => [observedAt, seq, bid, ask],
  rowOfTrade: ({ time, price }: FakeTrade) => [
    toMicroseconds(time),
    Number(/\.\d{6}(\d{3})Z$/.exec(time)?.[1]),
    Number(price),
    Number(price),
  ],
};

async function startOanda(mode: 'stream' | 'poll'): Promise<PlayedFake> {
  const fake = await startFakeOanda(access);
  const logs = new Map<string, FakeTrade[]>();
  let isDropping = false;
  let ahead = 0;
  const logOf = (symbol: string) => {
    const log = logs.get(symbol) ?? [];
    logs.set(symbol, log);
    return log;
  };
  const toPrice = ({ symbol, time, price }: FakeTrade) => ({
    instrument: symbol,
    time,
    bid: price,
    ask: price,
  });
  /** New streams begin with the newest price of each instrument. */
  const tell = (trade: FakeTrade) => {
    const newest = [...logs.values()].flatMap(log => log.at(-1) ?? []);
    fake.snapshot(newest.map(toPrice));
    fake.push(toPrice(trade));
  };
  return {
    trade: (symbol, change = {}) => {
      const log = logOf(symbol);
      const id = BigInt(log.length + 1);
      const trade = { symbol, id, time: fake.now(), price: '1.5', size: '0', ...change };
      log.push(trade);
      if (!isDropping) tell(trade);
      return trade;
    },
    log: logOf,
    beat: fake.heartbeat,
    again: trade => {
      fake.push(toPrice(trade));
      fake.repeat();
    },
    drop: isOn => {
      isDropping = isOn;
    },
    goSilent: fake.goSilent,
    // A poll has a connection that is kept; it is gone with the next request.
    cut: code => {
      if (mode === 'poll') fake.cutNext();
      else if (code === undefined) fake.cutAll();
      else fake.endAll();
    },
    refuseNext: fake.refuseNext,
    say: text => (mode === 'poll' ? fake.answerNext(text) : fake.send(`${text}\n`)),
    skew: fake.skew,
    chop: fake.chop,
    requests: fake.requests,
    delist: fake.delist,
    pass: () => {
      ahead += 15_000;
      fake.skew(ahead);
    },
    forget: () => undefined,
    shut: symbol => {
      const price = { instrument: symbol, time: fake.now(), bid: '9.5', ask: '9.6' };
      fake.push({ ...price, tradeable: false });
    },
    create: async ({ silence = 10_000, firstBackoff = 1, longestBackoff = 20 }) =>
      createOanda({
        ...access,
        environment: 'practice',
        mode,
        streamUrl: fake.url,
        apiUrl: fake.url,
        timings: { silence, answer: silence, firstBackoff, longestBackoff, poll: 5, lag: 0 },
        now: () => Date.now() + ahead,
      }),
    told: () => [],
    close: fake.close,
  };
}

/** A row of trades, as a provider lists its newest ones. */
async function startPolled(symbols: Readonly<Record<string, string>>): Promise<PlayedFake> {
  const fake = await startFakePolled();
  const words: string[] = [];
  const row = {
    source: 'fake',
    description: 'a fake',
    url: `${fake.url}/trades/{symbol}`,
    poll_every_ms: 1_000,
    symbols,
    headers: {},
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
    calendar: null,
    status: 'untried',
  };
  return {
    ...fake,
    trade: (symbol, change) => ({ symbol, ...fake.trade(symbol, change) }),
    log: symbol => fake.log(symbol).map(trade => ({ symbol, ...trade })),
    beat: () => undefined,
    again: ({ symbol, id }) => {
      const trade = fake.log(symbol).find(each => each.id === id);
      if (trade !== undefined) fake.again(trade);
    },
    // One may be a question among others of a round; with the next one nobody is heard.
    cut: () => fake.cut(2),
    delist: symbol => fake.page(`/trades/${symbol}`, { status: 404 }),
    forget: () => undefined,
    create: async ({ silence = 10_000, firstBackoff = 1, longestBackoff = 20, refusal = 50 }) =>
      createPolled({
        name: 'fake',
        readRow: async () => row,
        tell: async ({ words: said }) => {
          words.push(said);
        },
        hosts: createPublicHosts({ privateHosts: ['127.0.0.1'], setting: 'POLLED_HOSTS' }),
        tokens: {},
        timings: { every: 5, look: 5, answer: silence, firstBackoff, longestBackoff, refusal },
      }),
    told: () => words,
  };
}

const oandaNames = {
  theirs: ['EUR_USD', 'USD_JPY', 'XAU_USD'],
  ours: ['EUR_USD', 'USD_JPY', 'XAU_USD'],
  tellsRefusals: true,
  endsRefused: true,
  ...oandaRows,
} as const;
const withoutIds = {
  'ids skipped that REST can fill': noIds,
  'ids skipped that REST cannot fill': noIds,
  'numbers beyond 2^53': `${noIds}, and are texts`,
};
const asksAnew = 'every question is a request of its own';

const ours = { 'AAA.FAKE': 'aaa', 'BBB.FAKE': 'bbb', 'CCC.FAKE': 'ccc' };

/** Every live source whose prices come from a provider, with the fake that plays it. */
export const played: readonly Played[] = [
  ...exchanges.map(toPlayed),
  {
    name: 'oanda',
    ...oandaNames,
    start: () => startOanda('stream'),
    cannot: withoutIds,
    proof: 'connection',
    isPolled: false,
    atOnce: Number.POSITIVE_INFINITY,
  },
  {
    name: 'oanda, polled',
    ...oandaNames,
    start: () => startOanda('poll'),
    cannot: {
      ...withoutIds,
      'out of order': 'an answer has the newest price alone',
      'a cut at 24 hours': asksAnew,
    },
    proof: 'none',
    isPolled: true,
    atOnce: 1,
  },
  {
    name: 'polled',
    theirs: ['aaa', 'bbb', 'ccc'],
    ours: ['AAA.FAKE', 'BBB.FAKE', 'CCC.FAKE'],
    start: () => startPolled(ours),
    cannot: {
      'ids skipped that REST can fill': 'an address has no past',
      'weekend prices that are not tradeable': 'a row names no field that says so',
      'a cut at 24 hours': asksAnew,
    },
    proof: 'ids',
    isPolled: true,
    atOnce: 40,
    endsRefused: false,
    tellsRefusals: false,
    ...byId,
  },
];
