import type { Sql } from '../db/runtime/database.ts';
import { createTrends } from './trends.ts';

/** +1 bullish, 0 neutral, -1 bearish; null while the indicator warms up. */
export type Verdict = 1 | 0 | -1 | null;

/** How old the newest of something is: stale after 2 intervals without news, dead after 10. */
export type Freshness = 'live' | 'stale' | 'dead' | 'absent';

export const sides = ['bid', 'ask', 'mid', 'last'] as const;

export type Unit = 'price' | 'percent' | 'ratio' | 'count' | 'probability' | 'basis_points';

/** What a kind of indicator declares of one of its numbers. */
export interface OutputKind {
  readonly name: string;
  readonly unit: Unit;
  /** Drawn over the candles, or in a pane of its own. */
  readonly pane: 'price' | 'own';
  readonly thresholds: readonly number[];
}

export interface Output extends OutputKind {
  readonly value: number | null;
}

/** Where the price is expected so many buckets after the value's own. */
export interface Forecast {
  readonly horizon: number;
  readonly low: number;
  readonly high: number;
}

/** An indicator of one instrument with its newest value. */
export interface IndicatorRow {
  readonly indicator_id: number;
  readonly kind: string;
  readonly label: string;
  readonly timeframe: string;
  readonly side: string;
  readonly verdict: Verdict;
  /** Why there is no verdict, as a code and in words; null when there is one. */
  readonly absence: { readonly reason: string; readonly words: string } | null;
  /** Between -1 and +1, with the sign of the verdict. */
  readonly strength: number | null;
  readonly forecast: Forecast | null;
  /** As its kind declares them; the first is what the verdict is read from. */
  readonly outputs: readonly Output[];
  readonly bucket: string | null;
  readonly is_closed: boolean | null;
  readonly bars: number;
  /** With fewer candles it warms up and has no value. */
  readonly bars_required: number;
  /** With fewer candles its value still settles. */
  readonly bars_window: number;
  readonly computed_at: string | null;
  readonly width_seconds: number;
  readonly state: Freshness;
  /** It was asked for by itself, and not only as one of a set. */
  readonly is_own: boolean;
}

export type Band = 'strong buy' | 'buy' | 'neutral' | 'sell' | 'strong sell';

/** What the votes of one timeframe say together, from -1 to +1 and in words; null while none can be computed. */
export interface Rating {
  readonly timeframe: string;
  readonly width_seconds: number;
  readonly side: string;
  readonly bucket: string | null;
  readonly rating: number | null;
  readonly band: Band | null;
  readonly moving_averages: number | null;
  readonly moving_averages_band: Band | null;
  readonly oscillators: number | null;
  readonly oscillators_band: Band | null;
  readonly buy: number;
  readonly neutral: number;
  readonly sell: number;
  /** Of so many votes as many could be computed. */
  readonly counted: number;
  readonly votes: number;
  readonly state: Freshness;
}

/** One vote of a rating. */
export interface Vote {
  readonly vote_group: string;
  readonly label: string;
  readonly weight: number;
  readonly verdict: Verdict;
  readonly value: number | null;
  /** Whether it is counted, or why not. */
  readonly state: string;
  /** Null when it is not computed for this instrument. */
  readonly indicator_id: number | null;
  readonly unit: Unit | null;
  readonly rule: string | null;
}

/** A rating of a closed candle. */
export interface PastRating {
  readonly bucket: string;
  readonly rating: number;
  readonly band: Band;
  readonly moving_averages: number | null;
  readonly oscillators: number | null;
  readonly buy: number;
  readonly neutral: number;
  readonly sell: number;
  readonly counted: number;
  readonly votes: number;
}

/** The rating of one instrument, timeframe and side with all that it comes from. */
export interface RatingDetail {
  readonly symbol: string;
  readonly description: string | null;
  readonly source: string;
  readonly is_simulated: boolean;
  readonly price_precision: number;
  readonly timeframe: string;
  readonly side: string;
  /** Of all timeframes and sides that have one. */
  readonly ratings: readonly Rating[];
  readonly votes: readonly Vote[];
  /** Newest first. */
  readonly history: readonly PastRating[];
}

/** One row of the market page. */
export interface WatchlistRow {
  readonly instrument_id: number;
  readonly symbol: string;
  readonly source: string;
  readonly is_simulated: boolean;
  readonly description: string | null;
  readonly price_precision: number;
  readonly bid: number | null;
  readonly ask: number | null;
  /** Of the newest tick with a bid or an ask: before observed_at where that is a trade. */
  readonly quoted_at: string | null;
  readonly quote_state: Freshness;
  readonly last: number | null;
  readonly mid: number | null;
  readonly price: number | null;
  readonly observed_at: string | null;
  readonly received_at: string | null;
  readonly state: Freshness;
  /** So often its price is expected to be news. */
  readonly interval_seconds: number;
  /** Its market; null: not known. */
  readonly is_open: boolean | null;
  readonly day_open: number | null;
  readonly change: number | null;
  readonly change_percent: number | null;
  readonly sparkline: readonly (number | null)[] | null;
  readonly indicators: readonly IndicatorRow[];
  readonly ratings: readonly Rating[];
}

/** An indicator with the rule that gives its verdict. */
export interface Indicator extends IndicatorRow {
  readonly symbol: string;
  readonly description: string | null;
  readonly source: string;
  readonly is_simulated: boolean;
  readonly price_precision: number;
  readonly params: Readonly<Record<string, unknown>> | null;
  readonly rule: string | null;
  /** Where the formula comes from. */
  readonly definition: string | null;
  /** It has no value for the candle that forms. */
  readonly closed_only: boolean;
  readonly service: string;
}

/** Candles of an indicator with the outputs and verdicts computed from them, oldest first. */
export interface Chart {
  readonly candles: readonly ChartCandle[];
  readonly outputs: readonly (OutputKind & {
    readonly points: readonly { time: number; value: number | null }[];
  })[];
  /** Of the newest value, with the time of its bucket. */
  readonly forecast: (Forecast & { readonly time: number }) | null;
  readonly verdicts: readonly { time: number; verdict: Verdict }[];
}

export interface ChartCandle {
  /** Left edge of the bucket in seconds since 1970. */
  readonly time: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly tick_count: number;
  /** So many of the ticks of its bucket are made of the provider's candles. */
  readonly reconstructed_count: number;
  readonly is_closed: boolean;
}

/** Whether verdicts were any good, of what was said first and of the values as they are now, by horizon. */
export interface TrackRecord {
  readonly sentence: string;
  readonly rows: readonly TrackRow[];
}

export interface TrackRow {
  readonly as_said: boolean;
  /** Candles after the verdict. */
  readonly horizon: number;
  readonly candles: number;
  readonly verdicts: number;
  readonly neutral: number;
  readonly hit_rate: number | null;
  readonly base_rate: number | null;
  /** Of hit rate less base rate; null while there is too little to tell. */
  readonly edge_low: number | null;
  readonly edge_high: number | null;
  /** How many indicators it is compared with. */
  readonly compared: number;
  readonly words: string;
}

export interface Instrument {
  readonly instrument_id: number;
  readonly symbol: string;
  readonly description: string | null;
  readonly source: string;
  readonly is_simulated: boolean;
  readonly price_precision: number;
  readonly is_active: boolean;
  /** All that candles exist in, the finest first. */
  readonly timeframes: readonly { readonly timeframe: string; readonly width_seconds: number }[];
  readonly indicators: readonly IndicatorRow[];
  readonly ratings: readonly Rating[];
}

export interface Candle {
  readonly bucket: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly average: number | null;
  readonly sum: number | null;
  readonly volume: number | null;
  readonly tick_count: number;
  /** So many of the ticks of its bucket are made of the provider's candles. */
  readonly reconstructed_count: number;
  readonly is_closed: boolean;
  readonly revision: number | null;
}

export interface Tick {
  readonly observed_at: string;
  /** Null: the tick came without an id. */
  readonly seq: string | null;
  readonly bid: number | null;
  readonly ask: number | null;
  readonly last: number | null;
  readonly size: number | null;
  readonly received_at: string | null;
  /** How we have it. */
  readonly origin: 'heard' | 'fetched' | 'reconstructed';
}

/** What the operator sees of the whole pipeline. */
export interface Status {
  readonly engine: string;
  readonly engine_version: string | null;
  readonly postgres_version: string;
  readonly started_at: string | null;
  readonly processes: readonly {
    process: string;
    is_alive: boolean;
    last_seen_at: string | null;
  }[];
  /** Who computes indicators, and what waits for whom. */
  readonly services: readonly {
    service: string;
    description: string;
    queue: string;
    closed_only: boolean;
    indicators: number;
    is_running: boolean;
    /** Host and process id of each that computes for it now. */
    processes: readonly string[];
    last_seen_at: string | null;
    /** Candles that its queue was not sent yet. */
    to_send: number;
    /** Candles that it took from its queue and did not compute yet. */
    pending: number;
    pending_since: string | null;
    /** Indicators whose history is being computed. */
    histories: number;
    behind_since: string | null;
  }[];
  readonly lag: readonly { step: string; seconds: number | null; pending: number | null }[] | null;
  readonly sources: readonly {
    source: string;
    is_simulated: boolean;
    state: string | null;
    last_message_at: string | null;
    stored: number | null;
    duplicate: number | null;
    conflicting: number | null;
    rejected: number | null;
    /** Why the source is in its state. */
    reason?: string | null;
  }[];
  readonly queues: readonly {
    subscription: string;
    queue: string;
    pending: number | null;
    oldest_pending_at: string | null;
    last_sent_at: string | null;
    last_error: string | null;
    dead_letters?: number | null;
  }[];
  /** The rules of alerts, the one first that told something last; fifty at most. */
  readonly alerts: readonly {
    rule_id: number;
    name: string;
    about: string;
    is_paused: boolean;
    last_event: string | null;
    last_state: string | null;
    last_event_at: string | null;
    /** Messages that are not delivered yet, or were given up. */
    waiting: number;
    given_up: number;
  }[];
  readonly is_healthy: boolean;
  readonly faults: readonly string[] | null;
  /** What passes by itself, such as a history that is coming in. */
  readonly notes: readonly string[] | null;
}

/** The read functions of SQL schema `dashboard`, and a heartbeat: all that the web process asks the database. */
export interface Dashboard {
  watchlist(): Promise<readonly WatchlistRow[]>;
  indicator(indicatorId: number): Promise<Indicator | null>;
  /** @param from only candles from this bucket on (ISO time); null for the newest `maxCandles`. */
  chart(indicatorId: number, from: string | null, maxCandles: number): Promise<Chart | null>;
  trackRecord(indicatorId: number): Promise<TrackRecord | null>;
  instrument(symbol: string): Promise<Instrument | null>;
  /** @param side null for the one that there is a rating of. */
  rating(symbol: string, timeframe: string, side: string | null): Promise<RatingDetail | null>;
  /** Newest first. */
  candles(
    symbol: string,
    timeframe: string,
    side: string,
    maxCandles: number,
  ): Promise<readonly Candle[]>;
  /** Oldest first, from `from` inclusive to `to` exclusive. */
  ticks(symbol: string, from: string, to: string, maxTicks: number): Promise<readonly Tick[]>;
  status(): Promise<Status>;
  beat(host: string, processId: number): Promise<void>;
  sayGoodbye(host: string, processId: number): Promise<void>;
}

/**
 * Equal questions asked while one is being answered share the next answer, so that a crowd costs
 * one query. Never the running one: it may have begun before the change they ask about.
 */
function createSharing() {
  const lanes = new Map<string, { running: Promise<unknown>; next: Promise<unknown> | null }>();

  function start<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const running = ask();
    const lane = { running, next: null };
    lanes.set(key, lane);
    const leave = () => {
      if (lane.next === null && lanes.get(key) === lane) lanes.delete(key);
    };
    running.then(leave, leave);
    return running;
  }

  return function share<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const lane = lanes.get(key);
    if (lane === undefined) return start(key, ask);
    const begin = () => start(key, ask);
    lane.next ??= lane.running.then(begin, begin);
    return lane.next as Promise<T>;
  };
}

/** Wraps the functions of schema `dashboard`; times come back as ISO text, numbers as numbers. */
export function createDashboard(sql: Sql): Dashboard {
  const share = createSharing();
  const one = async <T>(rows: PromiseLike<readonly object[]>): Promise<T> =>
    ((await rows)[0] as { answer: T }).answer;

  // jsonb instead of columns: one format for times and numbers in the whole web process.
  const trends = createTrends(() =>
    one<string>(
      sql`select coalesce(jsonb_agg(to_jsonb(t)), '[]')::text as answer from dashboard.trends() as t`,
    ),
  );

  return {
    watchlist: () =>
      share('watchlist', async () => {
        const known = await trends();
        return one(sql`select dashboard.watchlist(${known}::text::jsonb) as answer`);
      }),
    indicator: indicatorId =>
      share(`indicator ${indicatorId}`, () =>
        one(sql`select dashboard.indicator(${indicatorId}::int) as answer`),
      ),
    chart: (indicatorId, from, maxCandles) =>
      share(`chart ${indicatorId} ${from} ${maxCandles}`, () =>
        one(
          sql`select dashboard.chart(${indicatorId}::int, ${from}::timestamptz, ${maxCandles}::int)
                as answer`,
        ),
      ),
    trackRecord: indicatorId =>
      share(`track record ${indicatorId}`, () =>
        one(sql`select dashboard.track_record(${indicatorId}::int) as answer`),
      ),
    instrument: symbol =>
      share(`instrument ${symbol}`, () =>
        one(sql`select dashboard.instrument(${symbol}::text) as answer`),
      ),
    rating: (symbol, timeframe, side) =>
      share(`rating ${symbol} ${timeframe} ${side}`, () =>
        one(
          sql`select dashboard.rating(${symbol}::text, ${timeframe}::text, ${side}::text) as answer`,
        ),
      ),
    candles: (symbol, timeframe, side, maxCandles) =>
      share(`candles ${symbol} ${timeframe} ${side} ${maxCandles}`, () =>
        one(
          sql`select coalesce(dashboard.candles(${symbol}::text, ${timeframe}::text, ${side}::text,
                ${maxCandles}::int), '[]') as answer`,
        ),
      ),
    ticks: (symbol, from, to, maxTicks) =>
      one(
        sql`select coalesce(dashboard.ticks(${symbol}::text, ${from}::timestamptz,
              ${to}::timestamptz, ${maxTicks}::int), '[]') as answer`,
      ),
    status: () => share('status', () => one(sql`select dashboard.status() as answer`)),
    async beat(host, processId) {
      await sql`select ops.beat('web', ${host}, ${processId})`;
    },
    async sayGoodbye(host, processId) {
      await sql`select ops.say_goodbye('web', ${host}, ${processId})`;
    },
  };
}
