import type pg from 'pg';
import { SilenceError } from '../../db/runtime/errors.ts';
import { checked, type Failure } from './compute.ts';
import type { Reading } from './kind.ts';
import type { ComputedValue, Definition, Due, SqlKind, SqlKindStore } from './service.ts';
import type { Series } from './window.ts';

/** The longest run of one statement, which computes some values of one indicator. */
export const sandboxTimeoutMs = 1_000;

/** So many values are asked for at once, at most, and as many as take about so long. */
const maxPlaces = 50;
const briefMs = 100;

/** A kind that runs out of time twice in a row is not tried for so long, which doubles each time, so that it delays no other. */
const latesBeforeRest = 2;
const restMs = 5_000;
const maxRestMs = 60_000;
const maxTries = 3;

/** What a function made of the candles that end with one place of a series. */
export interface Evaluated {
  readonly place: number;
  readonly outputs: readonly (number | null)[] | null;
  readonly verdict: number | null;
  readonly strength: number | null;
  readonly horizon: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly fault: string | null;
}

/** Runs the functions of operators where they can read nothing and change nothing. */
export interface Sandbox {
  evaluate(
    kind: SqlKind,
    definition: Definition,
    series: Series,
    places: readonly number[],
  ): Promise<readonly Evaluated[]>;
}

/**
 * @param pool Whose statements are cancelled after {@link sandboxTimeoutMs}, and used for nothing else.
 */
export function createSandbox(pool: pg.Pool): Sandbox {
  return {
    async evaluate(kind, { params, bars_window }, { buckets, columns }, places) {
      // Only the candles that the places look at are sent.
      const from = Math.max(0, Math.min(...places) + 1 - bars_window);
      const to = Math.max(...places) + 1;
      const numbers = (column: Float64Array) =>
        Array.from(column.subarray(from, to), number => (Number.isNaN(number) ? null : number));
      const client = await pool.connect();
      let isSilent = false;
      try {
        await client.query('begin read only; set local client_min_messages = error');
        const { rows } = await client.query<Evaluated>(
          `select * from indicator.evaluate($1, $2, $3, $4, $5::int[], $6, $7::text[]::timestamptz[], $8::float8[],
            $9::float8[], $10::float8[], $11::float8[], $12::float8[], $13::float8[], $14::float8[]::bigint[], $15::float8[])`,
          [
            kind.function,
            kind.fingerprint,
            JSON.stringify(params),
            kind.output_count,
            places.map(place => place - from + 1),
            bars_window,
            buckets.slice(from, to),
            numbers(columns.open),
            numbers(columns.high),
            numbers(columns.low),
            numbers(columns.close),
            numbers(columns.average),
            numbers(columns.volume),
            numbers(columns.tick_count),
            kind.with_spread ? numbers(columns.spread) : null,
          ],
        );
        return rows.map(row => ({ ...row, place: row.place + from - 1 }));
      } catch (error) {
        isSilent = error instanceof SilenceError;
        throw error;
      } finally {
        client.release(isSilent || !(await forget(client)));
      }
    },
  };
}

/** Takes back what a function did to its session; says whether it could. */
async function forget(client: pg.PoolClient): Promise<boolean> {
  try {
    await client.query('rollback; deallocate all; select pg_advisory_unlock_all()');
    return true;
  } catch {
    return false;
  }
}

/** Of a whole statement: what it found; or that so many values were too many, one ran out of time, or the function is another. */
type Answer =
  | { readonly found: readonly Evaluated[] }
  | { readonly end: 'many' }
  | { readonly end: 'late' | 'another'; readonly fault: string };

/** How a kind fares, over all its indicators. */
interface Pace {
  /** So many values are asked for at once. */
  size: number;
  /** How many values ran out of time since the last that did not. */
  lates: number;
  restsUntil: number;
}

/**
 * Every value that a stretch of work asks for of kinds that are SQL functions. One that cannot be computed is told to
 * `onFailure`: neither the candles beside it nor other indicators wait for it. Of history it has no value, so that
 * none stays that the function would not give.
 *
 * @returns `rests` when a history has to wait, since its kind runs out of time or its function is another.
 */
export function createSqlComputation(
  sandbox: Sandbox,
  store: SqlKindStore,
): (
  work: Due,
  onFailure: (failure: Failure) => void,
) => AsyncGenerator<ComputedValue, 'rests' | undefined> {
  const paces = new Map<string, Pace>();
  /** By indicator, the value of its history that ran out of time, and how often. */
  const lateValues = new Map<number, { readonly bucket: string; readonly count: number }>();

  function paceOf(kind: string): Pace {
    const pace = paces.get(kind) ?? { size: 8, lates: 0, restsUntil: 0 };
    paces.set(kind, pace);
    return pace;
  }

  function noteLate(pace: Pace, isSilent: boolean): void {
    pace.lates = isSilent ? Math.max(pace.lates + 1, latesBeforeRest) : pace.lates + 1;
    if (pace.lates < latesBeforeRest) return;
    const rest = Math.min(maxRestMs, restMs * 2 ** (pace.lates - latesBeforeRest));
    pace.restsUntil = Date.now() + rest;
  }

  async function evaluate(
    kind: SqlKind,
    definition: Definition,
    series: Series,
    places: readonly number[],
  ): Promise<Answer> {
    if (places.length === 0) return { found: [] };
    const pace = paceOf(kind.kind);
    const startedAt = performance.now();
    try {
      const found = await sandbox.evaluate(kind, definition, series, places);
      const took = performance.now() - startedAt;
      pace.lates = 0;
      if (took > briefMs) pace.size = Math.max(1, Math.floor(places.length / 2));
      else pace.size = Math.min(maxPlaces, Math.max(pace.size, 2 * places.length));
      return { found };
    } catch (error) {
      const isSilent = error instanceof SilenceError;
      if (!isSilent && !isOfFunction(error)) throw error;
      if (isSilent) await store.endEvaluations();
      const fault = `${kind.function}: ${error.message}`;
      if (hasCode(error, 'KINDS')) return { end: 'another', fault };
      if (places.length > 1) {
        pace.size = isSilent ? 1 : Math.ceil(places.length / 4);
        return { end: 'many' };
      }
      if (isSilent || (isCanceled(error) && performance.now() - startedAt >= lateMs)) {
        noteLate(pace, isSilent);
        return {
          end: 'late',
          fault: `${kind.function} ran out of time: ${sandboxTimeoutMs} ms`,
        };
      }
      return { found: failing(places, fault) };
    }
  }

  /** A late value of a history is tried some times, as one of a changed candle is: maybe all was slow. */
  function isGivenUp({ indicator_id }: Definition, bucket: string): boolean {
    const before = lateValues.get(indicator_id);
    const count = before?.bucket === bucket ? before.count + 1 : 1;
    if (count < maxTries) lateValues.set(indicator_id, { bucket, count });
    else lateValues.delete(indicator_id);
    return count >= maxTries;
  }

  return async function* computeSqlValues(work, onFailure) {
    const { series, isHistory, fromBucket, toBucket, closedTo, revision } = work;
    const { buckets } = series;
    const first = buckets.findIndex(bucket => bucket >= fromBucket);
    if (first < 0) return undefined;
    const lastChanged = buckets.findLastIndex(bucket => bucket <= toBucket);
    const kinds = new Map(
      (await store.read(work.indicators.map(({ kind }) => kind))).map(kind => [kind.kind, kind]),
    );
    for (const definition of work.indicators) {
      const fail = (place: number, fault: string): void =>
        onFailure({ definition, bucket: buckets[place] ?? '', error: new Error(fault) });
      const valueAt = (place: number, reading: Reading | null): ComputedValue => {
        const bucket = buckets[place] ?? '';
        const isSaid = !isHistory && bucket <= closedTo;
        const price = isSaid ? (series.columns.close[place] ?? null) : null;
        const bars = Math.min(place + 1, definition.bars_window);
        return { indicatorId: definition.indicator_id, bucket, reading, price, bars, revision };
      };
      let kind = kinds.get(definition.kind);
      if (kind === undefined) {
        fail(first, `there is no SQL function of kind ${definition.kind}`);
        if (isHistory) return 'rests';
        continue;
      }
      const pace = paceOf(kind.kind);
      const last = Math.min(buckets.length - 1, lastChanged + definition.bars_window - 1);
      const due: number[] = [];
      for (let place = first; place <= last; place++) {
        if (!kind.closed_only || (buckets[place] ?? '') <= closedTo) due.push(place);
      }
      // History goes forwards, to be gone on with where it stopped; live candles are wanted newest first.
      if (!isHistory) due.reverse();
      while (due.length > 0) {
        if (pace.restsUntil > Date.now()) {
          if (isHistory) return 'rests';
          fail(due[0] ?? first, `${kind.function} ran out of time again and again, and rests`);
          break;
        }
        const places = due.slice(0, pace.size);
        const ready = places.filter(place => place + 1 >= definition.bars_required);
        const answer = await evaluate(kind, definition, series, ready);
        if ('end' in answer) {
          if (answer.end === 'many') continue;
          if (answer.end === 'another') {
            // It may have been defined anew meanwhile.
            const [now] = await store.read([kind.kind]);
            if (now !== undefined && now.fingerprint !== kind.fingerprint) {
              kind = now;
              continue;
            }
            if (isHistory) fail(ready[0] ?? first, answer.fault);
          }
          // No right value goes for a reason that is none of its candles.
          const isLater =
            isHistory &&
            (answer.end === 'another' || !isGivenUp(definition, buckets[ready[0] ?? first] ?? ''));
          if (isLater) return 'rests';
        }
        const found = 'end' in answer ? failing(ready, answer.fault) : answer.found;
        due.splice(0, places.length);
        const byPlace = new Map(found.map(each => [each.place, each]));
        for (const place of places) {
          const evaluated = byPlace.get(place);
          try {
            yield valueAt(place, evaluated === undefined ? null : readingOf(kind, evaluated));
          } catch (error) {
            fail(place, (error as Error).message);
            if (isHistory) yield valueAt(place, null);
          }
        }
      }
    }
    return undefined;
  };
}

/** A statement that was cancelled before had not run out of time. */
const lateMs = 0.9 * sandboxTimeoutMs;

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

/** PostgreSQL's query_canceled, which nothing in the database catches for all. */
const isCanceled = (error: unknown): boolean => hasCode(error, '57014');

/** What a function can do to its statement: time, memory and depth, and being another than it was. */
function isOfFunction(error: unknown): error is Error {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return /^(57014|53200|54...|XX000|KINDS)$/.test(String(error.code));
}

const failing = (places: readonly number[], fault: string): readonly Evaluated[] =>
  places.map(place => ({ ...nothing, place, fault }));

const nothing = {
  outputs: null,
  verdict: null,
  strength: null,
  horizon: null,
  low: null,
  high: null,
} as const;

/** @throws when it is none that a kind may give. */
function readingOf(kind: SqlKind, evaluated: Evaluated): Reading | null {
  const { outputs, verdict, strength, horizon, low, high, fault } = evaluated;
  if (fault !== null) throw new Error(fault);
  if (outputs === null) return null;
  const numbers = outputs.filter(output => output !== null && Number.isFinite(output)) as number[];
  if (numbers.length < outputs.length) {
    const given = outputs.map(output => output ?? 'null').join(', ');
    throw new Error(
      `${kind.function}: outputs ${given}: where there is no value, outputs as a whole are null`,
    );
  }
  const sign = ([-1, 0, 1] as const).find(each => each === verdict);
  if (sign === undefined || strength === null) {
    throw new Error(`${kind.function}: verdict ${verdict} with strength ${strength}`);
  }
  const hasForecast = horizon !== null || low !== null || high !== null;
  const forecast = {
    horizon: horizon ?? Number.NaN,
    low: low ?? Number.NaN,
    high: high ?? Number.NaN,
  };
  try {
    return checked(kind.output_count, {
      outputs: numbers,
      verdict: sign,
      strength,
      ...(hasForecast ? { forecast } : {}),
    });
  } catch (error) {
    throw new Error(`${kind.function}: ${(error as Error).message}`);
  }
}
