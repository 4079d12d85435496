import { type OracleCandle, oracleCandles, sides, toldCandle } from '../../tests/support/oracle.ts';
import { catalog } from '../../workers/indicators/catalog.ts';
import { readingAt } from '../../workers/indicators/compute.ts';
import { seriesOf } from '../../workers/indicators/window.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import type { CandleDelta } from '../../workers/messages.ts';
import { type Comparison, isSame, keyOfTick, type Ledger } from './ledger.ts';
import { comesAndGoes, firstIndicators } from './operator.ts';
import { keyOf } from './subscribers.ts';
import type { Query } from './world.ts';

/** What a subscription has to hold at the end. */
export interface Wanted {
  readonly name: string;
  readonly timeframes: readonly string[];
  readonly sides: readonly string[];
  readonly closedOnly: boolean;
  readonly held: ReadonlyMap<string, CandleDelta>;
}

const isoOf = (expression: string, pattern: string) =>
  `to_char(${expression}, 'YYYY-MM-DD"T"HH24:MI:SS${pattern}"Z"')`;

/**
 * The stored ticks of a symbol, as the ledger knows them; and where the two do not agree. What OANDA's candles gave of a
 * gap nobody sent: it is taken as it is, where there was a gap.
 */
export async function compareTicks(
  query: Query,
  ledger: Ledger,
  symbol: string,
): Promise<Comparison & { ticks: Tick[]; missing: Tick[] }> {
  const differences: string[] = [];
  const missing: Tick[] = [];
  const ticks: Tick[] = [];
  const all = await query<Tick & { is_reconstructed: boolean }>(
    `select $1 as symbol, ${isoOf('t.observed_at', '.US')} as "observedAt", t.seq::int,
       t.bid, t.ask, t.last, t.size, t.origin = 'reconstructed' and exists (
         select from feed.gaps as g
         where g.instrument_id = t.instrument_id and t.observed_at > g.gap_from and t.observed_at < g.gap_to
       ) as is_reconstructed
     from feed.ticks as t where t.instrument_id = feed.instrument_id($1)`,
    [symbol],
  );
  ticks.push(...all.filter(row => row.is_reconstructed));
  const rows = all.filter(row => !row.is_reconstructed);
  const stored = new Map(rows.map(row => [keyOfTick(row), row]));
  const entries = ledger.entriesOf(symbol);
  for (const [key, { contents, isAcknowledged }] of entries) {
    const [first] = contents;
    const row = stored.get(key);
    if (first === undefined) continue;
    if (row === undefined) {
      if (isAcknowledged) differences.push(`acknowledged and not stored: ${JSON.stringify(first)}`);
      missing.push(first);
      continue;
    }
    const known = contents.find(content => isSame(content, row));
    // What was acknowledged went one batch after the other, so the first content has to be the stored one.
    if (known === undefined || (isAcknowledged && known !== first)) {
      differences.push(`sent ${JSON.stringify(contents)} and stored ${JSON.stringify(row)}`);
    }
    ticks.push(known ?? row);
  }
  for (const [key, row] of stored) {
    if (!entries.has(key)) differences.push(`stored and never sent: ${JSON.stringify(row)}`);
  }
  return { compared: { ticks: entries.size }, differences, ticks, missing };
}

export type CandlesOf = (
  symbol: string,
  timeframe: string,
  side: string,
) => readonly OracleCandle[];

/** The oracle's candles, each series computed once. */
export function createOracle(ticks: ReadonlyMap<string, readonly Tick[]>): CandlesOf {
  const series = new Map<string, OracleCandle[]>();
  return (symbol, timeframe, side) => {
    const name = `${symbol} ${timeframe} ${side}`;
    let candles = series.get(name);
    if (candles === undefined) {
      const known = sides.find(each => each === side) ?? 'mid';
      candles = oracleCandles(ticks.get(symbol) ?? [], symbol, timeframe, known);
      series.set(name, candles);
    }
    return candles;
  };
}

/** Every candle of every timeframe and side. */
export async function compareCandles(
  query: Query,
  candlesOf: CandlesOf,
  symbol: string,
): Promise<Comparison> {
  const differences: string[] = [];
  let candles = 0;
  const timeframes = await query<{ timeframe: string }>(
    'select timeframe from feed.timeframes order by width',
  );
  for (const { timeframe } of timeframes) {
    for (const side of sides) {
      const rows = await query<OracleCandle>(
        `select ${isoOf('c.bucket', '.MS')} as bucket, c.open, c.high, c.low, c.close, c.sum,
           c.volume, c.tick_count::int
         from feed.candles($1, $2, $3) as c`,
        [symbol, timeframe, side],
      );
      const stored = new Map(rows.map(row => [row.bucket, row]));
      const expected = candlesOf(symbol, timeframe, side);
      candles += expected.length;
      const where = `candle ${symbol} ${timeframe} ${side}`;
      for (const candle of expected) {
        const row = stored.get(candle.bucket);
        stored.delete(candle.bucket);
        const fault = differenceOf(row, toldCandle(candle, side));
        if (fault !== undefined) differences.push(`${where} ${candle.bucket}: ${fault}`);
      }
      for (const bucket of stored.keys()) differences.push(`${where} ${bucket}: nothing is there`);
    }
  }
  return { compared: { candles }, differences };
}

/** Whether the subscriber holds exactly the oracle's candles, and with the outbox's revisions. */
export async function compareHeld(
  query: Query,
  candlesOf: CandlesOf,
  symbols: readonly string[],
  wanted: Wanted,
): Promise<Comparison> {
  const differences: string[] = [];
  const rows = await query<{ key: string; revision: number; is_closed: boolean; is_over: boolean }>(
    `select i.symbol || ' ' || c.timeframe || ' ' || c.side || ' ' || ${isoOf('c.bucket', '')} as key,
       c.revision::int, c.is_closed, c.closes_at <= now() as is_over
     from outbox.candles as c join feed.instruments as i using (instrument_id)
     where c.timeframe = any ($1) and c.side = any ($2) and (c.is_closed or not $3)`,
    [wanted.timeframes, wanted.sides, wanted.closedOnly],
  );
  const captured = new Map(rows.map(row => [row.key, row]));
  const expected = new Set<string>();
  for (const symbol of symbols) {
    for (const timeframe of wanted.timeframes) {
      for (const side of wanted.sides) {
        for (const candle of candlesOf(symbol, timeframe, side)) {
          const key = keyOf({ symbol, timeframe, side, bucket: candle.bucket });
          const row = captured.get(key);
          if (row === undefined && wanted.closedOnly) continue;
          expected.add(key);
          const fault =
            row === undefined
              ? 'was never captured'
              : row.is_over && !row.is_closed
                ? 'is over and not closed'
                : (differenceOf(wanted.held.get(key), toldCandle(candle, side)) ??
                  (wanted.held.get(key)?.revision === row.revision
                    ? undefined
                    : `holds revision ${wanted.held.get(key)?.revision}, the outbox has ${row.revision}`));
          if (fault !== undefined) differences.push(`${wanted.name} ${key}: ${fault}`);
        }
      }
    }
  }
  for (const candle of wanted.held.values()) {
    const isWanted =
      wanted.timeframes.includes(candle.timeframe) && symbols.includes(candle.symbol);
    if (isWanted && !expected.has(keyOf(candle))) {
      differences.push(`${wanted.name} ${keyOf(candle)}: holds a candle that is not there`);
    }
  }
  return { compared: { [`candles of ${wanted.name}`]: expected.size }, differences };
}

/** A value as it is stored, or as the oracle's candles give it. */
interface StoredValue {
  readonly outputs: readonly number[] | null;
  readonly verdict: number | null;
  readonly strength: number | null;
  readonly horizon: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly bars: number;
}

/** So long after its end a candle is closed, when nothing is left to do. */
const closingMs = 5_000;

/** Every value of every indicator: the pure function of the oracle's candles. */
export async function compareValues(query: Query, candlesOf: CandlesOf): Promise<Comparison> {
  const differences: string[] = [];
  const compared: Record<string, number> = { values: 0, indicators: 0 };
  const definitions = await query<{
    id: number;
    symbol: string;
    timeframe: string;
    width: number;
    side: string;
    kind: string;
    service: string;
    params: Record<string, number | string>;
    bars_required: number;
    bars_window: number;
    is_steady: boolean;
  }>(
    `select d.indicator_id as id, i.symbol, d.timeframe, extract(epoch from t.width)::float8 * 1000 as width,
       d.side, d.kind, k.service, d.params, d.bars_required, d.bars_window,
       not ${comesAndGoes('d')} and d.indicator_id <> all (${firstIndicators}) as is_steady
     from indicator.definitions as d
     join feed.instruments as i using (instrument_id)
     join feed.timeframes as t using (timeframe)
     join indicator.kinds as k using (kind)`,
  );
  const count = (what: string): void => {
    compared[what] = (compared[what] ?? 0) + 1;
  };
  for (const definition of definitions) {
    const { id, symbol, timeframe, side, width, service } = definition;
    const kind = catalog.get(definition.kind);
    if (kind === undefined) throw new Error(`there is no kind ${definition.kind}`);
    count('indicators');
    const where = `value of ${id} (${definition.kind} of ${symbol} ${timeframe} ${side})`;
    const askedAt = Date.now();
    const rows = await query<StoredValue & { bucket: string }>(
      `select ${isoOf('v.bucket', '.MS')} as bucket, v.outputs, v.verdict, v.strength, v.horizon,
         v.low, v.high, v.bars
       from indicator.values as v where v.indicator_id = $1`,
      [id],
    );
    const answeredAt = Date.now();
    const stored = new Map(rows.map(row => [row.bucket, row]));
    const series = seriesOf(candlesOf(symbol, timeframe, side));
    // Sums depend on the order of addition in their last bits.
    const tolerance = kind.columns.some(name => name === 'average' || name === 'volume') ? 1e-9 : 0;
    const toSay = new Map<string, ToSay>();
    for (const [index, bucket] of series.buckets.entries()) {
      const row = stored.get(bucket);
      stored.delete(bucket);
      const endsAt = Date.parse(bucket) + width;
      if (kind.isClosedOnly && endsAt > askedAt - closingMs) {
        if (row === undefined) continue;
        if (endsAt > answeredAt) {
          differences.push(`${where} at ${bucket}: ${JSON.stringify(row)} of a candle that forms`);
          continue;
        }
      }
      count('values');
      count(`values of ${service}`);
      const { reading, bars } = readingAt(series, index, kind, definition);
      if (reading !== null && tolerance === 0 && endsAt < askedAt - closingMs) {
        toSay.set(bucket, {
          endsAt,
          verdict: reading.verdict,
          strength: reading.strength,
          value: reading.outputs[0] ?? Number.NaN,
          price: series.columns.close[index] ?? Number.NaN,
        });
      }
      if (reading !== null && bars < definition.bars_window) count('values that settle');
      const expected = {
        outputs: reading?.outputs ?? null,
        verdict: reading?.verdict ?? null,
        strength: reading?.strength ?? null,
        horizon: reading?.forecast?.horizon ?? null,
        low: reading?.forecast?.low ?? null,
        high: reading?.forecast?.high ?? null,
        bars,
      };
      if (row !== undefined && isSameValue(row, expected, tolerance)) continue;
      const found = row === undefined ? 'nothing' : JSON.stringify(row);
      differences.push(`${where} at ${bucket}: ${found} instead of ${JSON.stringify(expected)}`);
    }
    for (const bucket of stored.keys()) {
      differences.push(`${where} at ${bucket}: no candle is there`);
    }
    const said = await query<Said>(
      `select ${isoOf('v.bucket', '.MS')} as bucket, v.revision::float8 as revision,
         extract(epoch from v.said_at)::float8 * 1000 as "saidAt",
         v.verdict, v.strength, v.value, v.price
       from indicator.verdicts as v where v.indicator_id = $1 order by v.bucket, v.revision`,
      [id],
    );
    compared.verdicts = (compared.verdicts ?? 0) + said.length;
    for (const fault of faultsOfVerdicts(said, toSay, !definition.is_steady)) {
      differences.push(`verdict ${where} at ${fault}`);
    }
  }
  return { compared, differences };
}

/** A row of indicator.verdicts. */
export interface Said {
  readonly bucket: string;
  readonly revision: number;
  /** In milliseconds since 1970. */
  readonly saidAt: number;
  readonly verdict: number;
  readonly strength: number;
  readonly value: number;
  readonly price: number;
}

/** What the newest row of a bucket has to say when nothing is left to do. */
export interface ToSay {
  readonly endsAt: number;
  readonly verdict: number;
  readonly strength: number;
  readonly value: number;
  readonly price: number;
}

/**
 * What is wrong with the rows of one indicator. A closed candle has one, each later one says something else,
 * and the newest says what is stored now.
 *
 * @param said In the order of bucket and revision.
 * @param expected By bucket; of candles that were closed for long enough.
 * @param isRecomputed A recomputation is not said: it may stand where a row would.
 */
export function faultsOfVerdicts(
  said: readonly Said[],
  expected: ReadonlyMap<string, ToSay>,
  isRecomputed: boolean,
): string[] {
  const faults: string[] = [];
  const newest = new Map<string, Said>();
  for (const row of said) {
    const before = newest.get(row.bucket);
    newest.set(row.bucket, row);
    const toSay = expected.get(row.bucket);
    if (toSay !== undefined && row.saidAt < toSay.endsAt) {
      faults.push(`${row.bucket}: was said before the candle was over: ${JSON.stringify(row)}`);
    }
    if (before === undefined) continue;
    if (row.saidAt < before.saidAt || isSameSaid(row, before)) {
      faults.push(`${row.bucket}: ${JSON.stringify(row)} after ${JSON.stringify(before)}`);
    }
  }
  if (isRecomputed) return faults;
  for (const [bucket, toSay] of expected) {
    const row = newest.get(bucket);
    if (row === undefined) faults.push(`${bucket}: nothing was said of ${JSON.stringify(toSay)}`);
    else if (!isSameSaid(row, toSay)) {
      faults.push(
        `${bucket}: ${JSON.stringify(row)} was said last, instead of ${JSON.stringify(toSay)}`,
      );
    }
  }
  return faults;
}

/** A strength is stored with single precision. */
function isSameSaid(one: Omit<ToSay, 'endsAt'>, other: Omit<ToSay, 'endsAt'>): boolean {
  return (
    one.verdict === other.verdict &&
    Math.fround(one.strength) === Math.fround(other.strength) &&
    one.value === other.value &&
    one.price === other.price
  );
}

/** A strength is stored with single precision. */
export function isSameValue(found: StoredValue, expected: StoredValue, tolerance: number): boolean {
  const isClose = (one: number | null, other: number | null, allowed = tolerance): boolean =>
    one === null || other === null
      ? one === other
      : Math.abs(one - other) <= allowed * Math.abs(other);
  const outputs = expected.outputs;
  return (
    found.bars === expected.bars &&
    found.verdict === expected.verdict &&
    found.horizon === expected.horizon &&
    isClose(found.low, expected.low) &&
    isClose(found.high, expected.high) &&
    isClose(found.strength, expected.strength, Math.max(tolerance, 2 ** -23)) &&
    (outputs === null || found.outputs === null
      ? outputs === found.outputs
      : outputs.length === found.outputs.length &&
        outputs.every((output, place) => isClose(found.outputs?.[place] ?? null, output)))
  );
}

/** Prices and counts exactly; sums depend on the order of addition in their last bits. */
function differenceOf(
  found: Omit<OracleCandle, 'bucket' | 'spread'> | undefined,
  expected: OracleCandle,
): string | undefined {
  if (found === undefined) return 'is missing';
  for (const name of ['open', 'high', 'low', 'close', 'tick_count'] as const) {
    if (found[name] !== expected[name])
      return `${name} is ${found[name]} instead of ${expected[name]}`;
  }
  for (const name of ['sum', 'volume'] as const) {
    const [one, other] = [found[name], expected[name]];
    const isEqual =
      one === null || other === null
        ? one === other
        : Math.abs(one - other) <= 1e-9 * Math.abs(other);
    if (!isEqual) return `${name} is ${one} instead of ${other}`;
  }
  return undefined;
}
