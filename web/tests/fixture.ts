import { pino } from 'pino';
import type {
  Candle,
  Chart,
  Dashboard,
  Indicator,
  IndicatorRow,
  Instrument,
  Output,
  Rating,
  RatingDetail,
  Status,
  TrackRecord,
  TrackRow,
  WatchlistRow,
} from '../dashboard.ts';
import { createReader, type Reader } from '../reader.ts';

// A market in memory, for tests of the pages; no test helper of the database is needed for these.

/** What an instrument's candles exist in, an added width among them. */
const fixtureTimeframes = Object.entries({
  '1s': 1,
  '30s': 30,
  '1m': 60,
  '5m': 300,
  '15m': 900,
  '1h': 3_600,
  '4h': 14_400,
  '1d': 86_400,
}).map(([timeframe, width_seconds]) => ({ timeframe, width_seconds }));

export const hostile = `<img src=x onerror="alert(1)">'"&</script>`;

/** Rows that a test may change before it reads again. */
export interface Fixture {
  rows: WatchlistRow[];
  status: Status;
  readonly dashboard: Reader;
  /** The same without deadlines and memory. */
  readonly plain: Dashboard;
  /** How often each function was called. */
  readonly calls: Record<keyof Dashboard, number>;
  /** While set, every read fails with it. */
  failure: Error | null;
  /** While true, no read is answered. */
  isSilent: boolean;
  /** Moves a price and the indicators of one instrument. */
  setPrice(symbol: string, price: number, verdict?: 1 | 0 | -1): void;
}

const iso = (time: number) => new Date(time).toISOString();
const startOfMinute = () => Math.floor(Date.now() / 60_000) * 60_000;

const averages = (difference: number | null, fast: number | null, slow: number | null) =>
  [
    { name: 'difference', unit: 'price', pane: 'own', thresholds: [0], value: difference },
    { name: 'fast', unit: 'price', pane: 'price', thresholds: [], value: fast },
    { name: 'slow', unit: 'price', pane: 'price', thresholds: [], value: slow },
  ] as const satisfies readonly Output[];

const relativeStrength = (value: number) =>
  [
    { name: 'rsi', unit: 'ratio', pane: 'own', thresholds: [30, 70], value },
  ] as const satisfies readonly Output[];

const expected = (value: number) =>
  [
    { name: 'expected_price', unit: 'price', pane: 'price', thresholds: [], value },
  ] as const satisfies readonly Output[];

export function indicatorRow(
  fields: Partial<IndicatorRow> & { indicator_id: number },
): IndicatorRow {
  const width = fields.width_seconds ?? 60;
  return {
    kind: 'ma_cross',
    label: 'MA cross 10/30',
    timeframe: '1m',
    side: 'mid',
    verdict: 1,
    absence: null,
    strength: 0.42,
    forecast: null,
    outputs: averages(0.00012, 1.08461, 1.08449),
    bucket: iso(Math.floor(Date.now() / (width * 1_000)) * width * 1_000),
    is_closed: false,
    bars: 31,
    bars_required: 31,
    bars_window: 31,
    computed_at: iso(Date.now()),
    width_seconds: width,
    state: 'live',
    is_own: true,
    ...fields,
  };
}

function ratingRow(fields: Partial<Rating>): Rating {
  return {
    timeframe: '1m',
    width_seconds: 60,
    side: 'mid',
    bucket: iso(startOfMinute()),
    rating: 0.62,
    band: 'strong buy',
    moving_averages: 0.9,
    moving_averages_band: 'strong buy',
    oscillators: 0.34,
    oscillators_band: 'buy',
    buy: 16,
    neutral: 7,
    sell: 1,
    counted: 24,
    votes: 26,
    state: 'live',
    ...fields,
  };
}

const ratingParts: Pick<RatingDetail, 'votes' | 'history'> = {
  votes: [
    {
      vote_group: 'moving averages',
      label: 'SMA 10',
      weight: 1,
      verdict: 1,
      value: 1.08431,
      state: 'counted',
      indicator_id: 1,
      unit: 'price',
      rule: 'Bullish while the close is above the average.',
    },
    {
      vote_group: 'moving averages',
      label: 'EMA 200',
      weight: 1,
      verdict: null,
      value: null,
      state: 'warming up 90 of 200',
      indicator_id: 2,
      unit: 'price',
      rule: 'Bullish while the close is above the average.',
    },
    {
      vote_group: 'oscillators',
      label: 'RSI 14',
      weight: 0,
      verdict: -1,
      value: 71.2,
      state: 'without weight',
      indicator_id: 3,
      unit: 'ratio',
      rule: 'Bearish above 70 while it falls.',
    },
    {
      vote_group: 'oscillators',
      label: 'Python 14',
      weight: 2,
      verdict: null,
      value: null,
      state: 'not computed',
      indicator_id: null,
      unit: null,
      rule: null,
    },
  ],
  history: [
    {
      bucket: iso(startOfMinute() - 60_000),
      rating: 0.1,
      band: 'neutral',
      moving_averages: 0.2,
      oscillators: 0,
      buy: 9,
      neutral: 10,
      sell: 5,
      counted: 24,
      votes: 26,
    },
  ],
};

export function watchlistRow(fields: Partial<WatchlistRow> & { symbol: string }): WatchlistRow {
  const price = fields.price ?? 1.08455;
  const observed_at =
    fields.observed_at === undefined ? iso(Date.now() - 2_000) : fields.observed_at;
  return {
    instrument_id: 1,
    source: 'simulated',
    is_simulated: true,
    description: 'Euro against US dollar',
    price_precision: 5,
    bid: price - 0.00005,
    ask: price + 0.00005,
    last: null,
    mid: price,
    price,
    observed_at,
    quoted_at: observed_at,
    quote_state: fields.state ?? 'live',
    received_at: iso(Date.now() - 1_990),
    state: 'live',
    interval_seconds: 60,
    is_open: null,
    day_open: price - 0.0012,
    change: 0.0012,
    change_percent: 0.1108,
    sparkline: Array.from({ length: 30 }, (_, index) => price + 0.002 * Math.sin(index / 4)),
    indicators: [],
    ratings: [],
    ...fields,
  };
}

function startRows(): WatchlistRow[] {
  const rsi = { kind: 'rsi', label: 'RSI 14', timeframe: '5m', width_seconds: 300 };
  return [
    watchlistRow({
      symbol: 'EUR_USD',
      indicators: [
        indicatorRow({ indicator_id: 1 }),
        indicatorRow({
          indicator_id: 2,
          ...rsi,
          verdict: 0,
          strength: 0,
          outputs: relativeStrength(54.21),
          bars: 40,
          bars_required: 15,
          bars_window: 406,
        }),
      ],
      ratings: [
        ratingRow({}),
        ratingRow({
          timeframe: '1h',
          width_seconds: 3_600,
          rating: -0.3,
          band: 'sell',
          moving_averages: -0.6,
          moving_averages_band: 'strong sell',
          oscillators: 0,
          oscillators_band: 'neutral',
          buy: 3,
          neutral: 11,
          sell: 12,
          counted: 26,
        }),
      ],
    }),
    watchlistRow({
      symbol: 'BTC_USD',
      instrument_id: 2,
      source: 'manual',
      is_simulated: false,
      description: hostile,
      price: 64_210.5,
      bid: 64_210,
      ask: 64_211,
      price_precision: 1,
      change: -812.3,
      change_percent: -1.249,
      sparkline: Array.from({ length: 30 }, (_, index) => 65_000 - 30 * index),
      indicators: [
        indicatorRow({ indicator_id: 3, verdict: -1, outputs: averages(-41.2, 64_180, 64_221.2) }),
        indicatorRow({
          indicator_id: 5,
          kind: 'drift',
          label: 'Drift 100',
          timeframe: '1h',
          width_seconds: 3_600,
          is_closed: true,
          outputs: expected(64_300),
          forecast: { horizon: 12, low: 63_100, high: 65_500 },
        }),
      ],
      ratings: [ratingRow({ rating: -0.05, band: 'neutral', state: 'stale' })],
    }),
    watchlistRow({
      symbol: 'USD_JPY',
      instrument_id: 3,
      description: null,
      price: null,
      bid: null,
      ask: null,
      mid: null,
      observed_at: null,
      received_at: null,
      state: 'absent',
      day_open: null,
      change: null,
      change_percent: null,
      sparkline: [],
      price_precision: 3,
      indicators: [
        indicatorRow({
          indicator_id: 4,
          verdict: null,
          absence: { reason: 'too_few', words: 'warming up 12 of 31, about 14:35 UTC' },
          strength: null,
          outputs: averages(null, null, null),
          bars: 12,
        }),
      ],
      ratings: [
        ratingRow({
          bucket: null,
          rating: null,
          band: null,
          moving_averages: null,
          moving_averages_band: null,
          oscillators: null,
          oscillators_band: null,
          buy: 0,
          neutral: 0,
          sell: 0,
          counted: 0,
          state: 'absent',
        }),
      ],
    }),
  ];
}

/** As wide as they come: what every instrument has by itself after `npm start`. */
const crowdLabels = [
  ['Logistic regression 270, 3 returns, 1 ahead', 'probability'],
  ['ADX 14', 'ratio'],
  ['ARIMA best 90, 4 ahead at 0.80', 'price'],
  ['Bollinger 20, 2', 'price'],
  ['Drift 60, 4 ahead at 0.80', 'price'],
  ['Ichimoku 9/26/52/26', 'price'],
  ['MA cross 10/30', 'difference'],
  ['MACD 12/26/9', 'difference'],
  ['RSI 14', 'ratio'],
  ['Stochastic 14/3/3', 'ratio'],
  ['Tick intensity 6', 'ratio'],
  ['VWAP of the day, 96 bars', 'price'],
] as const;

/** Instruments with so many indicators each; beyond the usual ones these repeat with another number. */
export function crowdedRows(indicators: number = crowdLabels.length): WatchlistRow[] {
  return [
    ['SPX500_USD.SIM', 'US 500 index / US dollar (simulated)', 6_743.6, 1] as const,
    ['BTC_USD.SIM', 'Bitcoin / US dollar (simulated)', 102_948.8, 1] as const,
    ['EUR_USD.SIM', 'Euro / US dollar (simulated)', 1.15924, 5] as const,
    ['XAU_USD.SIM', 'Gold / US dollar (simulated)', 4_122.24, 3] as const,
  ].map(([symbol, description, price, price_precision], place) =>
    watchlistRow({
      symbol,
      description,
      instrument_id: place + 1,
      price,
      price_precision,
      bid: price - 0.01,
      ask: price + 0.01,
      change: -0.022 * price,
      change_percent: -2.24,
      indicators: Array.from({ length: indicators }, (_, index) => {
        const [label, unit] = crowdLabels[index % crowdLabels.length] ?? crowdLabels[0];
        const isModel = /ahead/.test(label);
        const isWarming = index === 1 && place === 0;
        const value = { price, difference: -0.0004 * price, probability: 0.513, ratio: 137.08 }[
          unit
        ];
        return indicatorRow({
          indicator_id: 100 * place + index + 1,
          label: index < crowdLabels.length ? label : `${label} ${index}`,
          timeframe: '15m',
          width_seconds: 900,
          verdict: isWarming ? null : (((index % 3) - 1) as 1 | 0 | -1),
          absence: isWarming
            ? { reason: 'too_few', words: 'warming up 12 of 31, about 14:35 UTC' }
            : null,
          is_closed: isModel,
          bars: 97,
          bars_window: isModel ? 97 : 449,
          outputs: [
            {
              name: 'value',
              unit: unit === 'difference' ? 'price' : unit,
              pane: 'own',
              thresholds: [],
              value: isWarming ? null : value,
            },
          ],
        });
      }),
      ratings: [ratingRow({ timeframe: '15m', width_seconds: 900 })],
    }),
  );
}

const trackRow = (row: Partial<TrackRow>): TrackRow => ({
  as_said: true,
  horizon: 1,
  candles: 14,
  verdicts: 12,
  neutral: 2,
  hit_rate: 0.5,
  base_rate: 0.4881,
  edge_low: null,
  edge_high: null,
  compared: 96,
  words: 'too few verdicts yet, 12 of 100',
  ...row,
});

/** Too little was said to tell, and of what is computed now one horizon is evidence. */
const trackRecord: TrackRecord = {
  sentence:
    'Of values as they are now, as too few were said live yet: 5 candles later evidence that it beats chance: right 55.1 % of the time, where chance is 50.2 %, 2410 verdicts',
  rows: [
    trackRow({}),
    trackRow({ horizon: 5, hit_rate: 0.6 }),
    trackRow({
      horizon: 20,
      candles: 0,
      verdicts: 0,
      neutral: 0,
      hit_rate: null,
      base_rate: null,
      words: 'too few verdicts yet, 0 of 100',
    }),
    ...[1, 5, 20].map(horizon =>
      trackRow({
        as_said: false,
        horizon,
        candles: 2_800,
        verdicts: 2_410,
        neutral: 390,
        hit_rate: horizon === 5 ? 0.5511 : 0.5073,
        base_rate: 0.5021,
        edge_low: horizon === 5 ? 0.0267 : -0.0153,
        edge_high: horizon === 5 ? 0.0713 : 0.0257,
        words:
          horizon === 5
            ? 'evidence that it beats chance: right 55.1 % of the time, where chance is 50.2 %, 2410 verdicts'
            : 'no evidence that it beats chance, 2410 verdicts',
      }),
    ),
  ],
};

function startStatus(): Status {
  return {
    engine: 'timescaledb',
    engine_version: 'TimescaleDB 2.28.3',
    postgres_version: '15.14',
    started_at: iso(Date.now() - 3_600_000),
    processes: [
      { process: 'ingest', is_alive: true, last_seen_at: iso(Date.now() - 2_000) },
      { process: 'publish', is_alive: false, last_seen_at: null },
    ],
    services: [
      {
        service: 'classical',
        description: 'The catalogue',
        queue: 'foresight-classical',
        closed_only: false,
        indicators: 12,
        is_running: true,
        processes: ['here 4711'],
        last_seen_at: iso(Date.now() - 2_000),
        to_send: 0,
        pending: 7,
        pending_since: iso(Date.now() - 1_000),
        histories: 2,
        behind_since: null,
      },
      {
        service: 'models',
        description: 'Forecasts',
        queue: 'foresight-models',
        closed_only: true,
        indicators: 1,
        is_running: false,
        processes: [],
        last_seen_at: null,
        to_send: 31,
        pending: 0,
        pending_since: null,
        histories: 0,
        behind_since: iso(Date.now() - 60_000),
      },
    ],
    lag: [{ step: 'tick to delta', seconds: 0.04, pending: 3 }],
    sources: [
      {
        source: 'simulated',
        is_simulated: true,
        state: 'connected',
        last_message_at: iso(Date.now() - 1_000),
        stored: 120_431,
        duplicate: 4,
        conflicting: 0,
        rejected: 1,
      },
    ],
    queues: [
      {
        subscription: 'indicators.classical',
        queue: 'foresight-classical',
        pending: 0,
        oldest_pending_at: null,
        last_sent_at: iso(Date.now() - 1_000),
        last_error: null,
      },
    ],
    alerts: [
      {
        rule_id: 1,
        name: hostile,
        about: 'EUR_USD 5m RSI 14',
        is_paused: true,
        last_event: 'taken back',
        last_state: 'neutral',
        last_event_at: iso(Date.now() - 90_000),
        waiting: 3,
        given_up: 1,
      },
    ],
    is_healthy: false,
    faults: ['process publish is not running'],
    notes: [],
  };
}

/** Candles up to now whose last close is the price; the first of a lower chart are its past. */
function chartOf(row: WatchlistRow, indicator: IndicatorRow, from: number, count: number): Chart {
  const width = indicator.width_seconds;
  const newest = Math.floor(startOfMinute() / 1_000 / width) * width;
  const price = row.price ?? 100;
  const candles = Array.from({ length: count }, (_, index) => {
    const back = count - 1 - index;
    const close = back === 0 ? price : price * (1 + 0.002 * Math.sin(back / 5));
    const open = price * (1 + 0.002 * Math.sin((back + 1) / 5));
    return {
      time: newest - back * width,
      open,
      high: Math.max(open, close) * 1.0004,
      low: Math.min(open, close) * 0.9996,
      close,
      tick_count: 240 - back,
      reconstructed_count: back === 2 ? 8 : 0,
      is_closed: back > 0,
    };
  }).filter(candle => candle.time >= from);
  const newestTime = candles.at(-1)?.time;
  return {
    candles,
    outputs: indicator.outputs.map(({ value, ...declared }) => ({
      ...declared,
      points: candles.map(({ time, close }, index) => ({
        time,
        value:
          value === null || index === candles.length - 1
            ? value
            : declared.pane === 'price'
              ? close * (declared.name === 'slow' ? 0.9996 : 1.0003)
              : value * (1 + 0.3 * Math.sin(index / 9)),
      })),
    })),
    forecast:
      indicator.forecast === null || newestTime === undefined
        ? null
        : { ...indicator.forecast, time: newestTime },
    verdicts: candles.map(({ time }, index) => ({
      time,
      verdict: index === candles.length - 1 ? indicator.verdict : index % 40 < 20 ? 1 : -1,
    })),
  };
}

function candlesOf(row: WatchlistRow, width: number, count: number): Candle[] {
  const fields = { width_seconds: width, indicator_id: 0 };
  return chartOf(row, indicatorRow(fields), 0, Math.min(count, 12))
    .candles.map(candle => ({
      ...candle,
      bucket: iso(candle.time * 1_000),
      average: candle.close,
      sum: candle.close * candle.tick_count,
      volume: null,
      revision: candle.tick_count,
    }))
    .reverse();
}

export function createFixture(): Fixture {
  const calls = {
    watchlist: 0,
    indicator: 0,
    chart: 0,
    trackRecord: 0,
    instrument: 0,
    rating: 0,
    candles: 0,
    ticks: 0,
    status: 0,
    beat: 0,
    sayGoodbye: 0,
  };
  const find = (id: number) => {
    for (const row of fixture.rows) {
      const indicator = row.indicators.find(each => each.indicator_id === id);
      if (indicator !== undefined) return { row, indicator };
    }
    return null;
  };
  const answer = async <T>(name: keyof Dashboard, give: () => T): Promise<T> => {
    calls[name] += 1;
    if (fixture.isSilent) await new Promise(() => undefined);
    if (fixture.failure !== null) throw fixture.failure;
    return give();
  };
  const bySymbol = (symbol: string) => fixture.rows.find(row => row.symbol === symbol);

  const plain: Dashboard = {
    watchlist: () => answer('watchlist', () => fixture.rows),
    status: () => answer('status', () => fixture.status),
    indicator: id =>
      answer('indicator', (): Indicator | null => {
        const found = find(id);
        if (found === null) return null;
        const { row, indicator } = found;
        return {
          ...row,
          ...indicator,
          params: { fast: 10, slow: 30 },
          rule: 'Bullish while the fast average is above the slow one, bearish while below.',
          definition: 'Murphy, Technical Analysis of the Financial Markets, chapter 9',
          closed_only: indicator.kind === 'drift',
          service: indicator.kind === 'drift' ? 'models' : 'classical',
        };
      }),
    chart: (id, from, count) =>
      answer('chart', () => {
        const found = find(id);
        const start = from === null ? 0 : Date.parse(from) / 1_000;
        return found === null ? null : chartOf(found.row, found.indicator, start, count);
      }),
    trackRecord: id => answer('trackRecord', () => (find(id) === null ? null : trackRecord)),
    instrument: symbol =>
      answer('instrument', (): Instrument | null => {
        const row = bySymbol(symbol);
        return row === undefined
          ? null
          : { ...row, is_active: true, timeframes: fixtureTimeframes };
      }),
    rating: (symbol, timeframe, side) =>
      answer('rating', (): RatingDetail | null => {
        const row = bySymbol(symbol);
        const found = row?.ratings.find(
          each => each.timeframe === timeframe && (side ?? each.side) === each.side,
        );
        return row === undefined || found === undefined
          ? null
          : { ...row, timeframe, side: found.side, ...ratingParts };
      }),
    candles: (symbol, timeframe, _side, count) =>
      answer('candles', () => {
        const row = bySymbol(symbol);
        const width = timeframe === '1m' ? 60 : 300;
        return row === undefined || timeframe === '1d' ? [] : candlesOf(row, width, count);
      }),
    ticks: (_symbol, from, _to, count) =>
      answer('ticks', () =>
        Array.from({ length: from.startsWith('2020') ? count : 3 }, (_, index) => ({
          observed_at: iso(Date.parse(from) + index),
          seq: String(index),
          bid: 1.0845,
          ask: 1.0846,
          last: null,
          size: null,
          received_at: iso(Date.parse(from) + index + 20),
          origin: index === 1 ? 'reconstructed' : 'heard',
        })),
      ),
    beat: () => answer('beat', () => undefined),
    sayGoodbye: () => answer('sayGoodbye', () => undefined),
  };

  const fixture: Fixture = {
    rows: startRows(),
    status: startStatus(),
    calls,
    plain,
    failure: null,
    isSilent: false,
    setPrice(symbol, price, verdict) {
      fixture.rows = fixture.rows.map(row =>
        row.symbol !== symbol
          ? row
          : {
              ...row,
              price,
              mid: price,
              observed_at: iso(Date.now()),
              indicators: row.indicators.map(each => ({
                ...each,
                verdict: verdict ?? each.verdict,
              })),
            },
      );
    },
    dashboard: createReader({
      open: () => ({ ...plain, close: () => undefined }),
      logger: pino({ level: 'silent' }),
    }),
  };
  return fixture;
}
