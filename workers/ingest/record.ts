import type { Logger } from '../../db/runtime/logger.ts';
import { sleep } from '../../db/runtime/process.ts';
import {
  addCounts,
  type Counts,
  type Feed,
  noCounts,
  type Origin,
  type TickArrays,
  writeArrays,
} from './feed.ts';
import type { Rejection } from './rejection.ts';
import type { Tick } from './source.ts';

/** A batch from this size on is stored over two connections at once. */
const dividedFrom = 1_000;

/** Stores batches; those of one recorder are stored in their order, as far as symbols are concerned. */
export interface Recorder {
  /**
   * Stores a batch whatever it takes: while the database is away it tries again (ticks are stored once,
   * so an unknown outcome is harmless), and a batch that the database refuses for its content is split
   * until the tick at fault stands alone and is kept aside.
   *
   * May be called before the last batch is stored: then this one is written out meanwhile.
   *
   * @throws only after the signal aborted: the database is away, and the process has to stop. Of the
   *   batch, and of those after it, nothing may be stored then that is newer than what is missing.
   */
  record(ticks: readonly Tick[]): Promise<Counts>;
}

/**
 * A large batch goes in two lanes, each a connection with symbols of its own, as writers of one instrument
 * wait for each other. A lane goes on with the next batch when it is done with this one: waiting for
 * each other, and for this thread to write the next one out, took a sixth of the time.
 */
export function createRecorder({
  feed,
  source,
  logger,
  signal,
  origin = 'heard',
}: {
  feed: Feed;
  source: string;
  logger: Logger;
  signal: AbortSignal;
  origin?: Origin;
}): Recorder {
  const lanes = [0, 1].map(() => ({ ticks: 0, last: Promise.resolve<unknown>(undefined) }));
  type Lane = (typeof lanes)[number];
  const laneOf = new Map<string, Lane>();

  /** Each symbol keeps the lane that it was given when it came first: the one with fewer ticks. */
  function divide(ticks: readonly Tick[]): [readonly Lane[], readonly Tick[]][] {
    if (ticks.length < dividedFrom) return [[lanes, ticks]];
    const parts = new Map<Lane, Tick[]>();
    for (const [symbol, own] of Map.groupBy(ticks, tick => tick.symbol)) {
      const lane = laneOf.get(symbol) ?? lanes.reduce((a, b) => (b.ticks < a.ticks ? b : a));
      laneOf.set(symbol, lane);
      lane.ticks += own.length;
      const part = parts.get(lane) ?? [];
      for (const tick of own) part.push(tick);
      parts.set(lane, part);
    }
    return [...parts].map(([lane, part]) => [[lane], part]);
  }

  function follow<Result>(own: readonly Lane[], run: () => Promise<Result>): Promise<Result> {
    const done = Promise.all(own.map(lane => lane.last)).then(run);
    for (const lane of own) lane.last = done;
    return done;
  }

  async function record(ticks: readonly Tick[]): Promise<Counts> {
    return sum(
      await Promise.all(
        divide(ticks).map(([own, part]) => {
          const arrays = writeArrays(part);
          return follow(own, () => recordPart(part, arrays));
        }),
      ),
    );
  }

  async function recordPart(part: readonly Tick[], arrays?: TickArrays): Promise<Counts> {
    try {
      return await untilStored(part.length, () => feed.recordTicks(source, part, arrays, origin));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return splitPart(part, error);
    }
  }

  /** @throws a refusal of the content, and any error after the process was asked to stop. */
  async function untilStored<Result>(count: number, store: () => Promise<Result>): Promise<Result> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await store();
      } catch (error) {
        if (isRefusal(error) || (signal.aborted && attempt >= 2)) throw error;
        if (attempt === 0 || attempt % 20 === 0) {
          logger.warn({ err: error, waiting: count }, 'ticks wait for the database');
        }
        await sleep(Math.min(2_000, 50 * 2 ** attempt) * (0.5 + Math.random() / 2));
      }
    }
  }

  async function splitPart(part: readonly Tick[], error: unknown): Promise<Counts> {
    const [tick] = part;
    if (part.length === 1 && tick !== undefined) {
      const rejection: Rejection = {
        symbol: tick.symbol,
        reason: 'refused_by_database',
        detail: (error as Error).message,
        raw: JSON.stringify(tick, writeBigint).slice(0, 1_000),
      };
      // An unknown outcome may count it twice, which is better than not at all.
      await untilStored(1, () => feed.rejectTicks(source, [rejection]));
      return { stored: 0, duplicate: 0, conflicting: 0, rejected: 1 };
    }
    const middle = Math.ceil(part.length / 2);
    const first = await recordPart(part.slice(0, middle));
    return sum([first, await recordPart(part.slice(middle))]);
  }

  return { record };
}

const writeBigint = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? String(value) : value;

const sum = (counts: readonly Counts[]): Counts => counts.reduce(addCounts, noCounts);

/** Data exceptions and constraint violations lie in the content; everything else may pass. */
function isRefusal(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && (/^2[23]/.test(code) || code === 'FUTUR');
}
