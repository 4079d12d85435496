import { setImmediate } from 'node:timers/promises';
import type { Logger } from '../../db/runtime/logger.ts';
import { sleep } from '../../db/runtime/process.ts';
import type { Counts, Feed } from './feed.ts';
import type { Tick } from './source.ts';

/** A batch from this size on is stored in two halves at once. */
const halvedFrom = 1_000;

/**
 * Stores a batch whatever it takes: while the database is away it tries again (ticks are stored once,
 * so an unknown outcome is harmless), and a batch that the database refuses for its content is split
 * until the tick at fault stands alone and is kept aside. A large one goes as two halves over two
 * connections: the database stores one while it reads, checks or flushes the other.
 *
 * @throws only after the signal aborted: the database is away, and the process has to stop.
 */
export async function recordBatch(
  ticks: readonly Tick[],
  {
    feed,
    source,
    logger,
    signal,
  }: { feed: Feed; source: string; logger: Logger; signal: AbortSignal },
): Promise<Counts> {
  if (ticks.length < halvedFrom) return recordPart(ticks);
  const [first = [], second = []] = halves(ticks);
  // The first is on its way to the database before this thread writes out the second.
  const storeSecond = () => (second.length > 0 ? recordPart(second) : undefined);
  const counts = await Promise.all([recordPart(first), setImmediate().then(storeSecond)]);
  return sum(counts.filter(each => each !== undefined));

  async function recordPart(part: readonly Tick[]): Promise<Counts> {
    try {
      return await untilStored(() => feed.recordTicks(source, part));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return splitBatch(part, error);
    }
  }

  /** @throws a refusal of the content, and any error after the process was asked to stop. */
  async function untilStored<Result>(store: () => Promise<Result>): Promise<Result> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await store();
      } catch (error) {
        if (isRefusal(error) || (signal.aborted && attempt >= 2)) throw error;
        if (attempt === 0 || attempt % 20 === 0) {
          logger.warn({ err: error, waiting: ticks.length }, 'ticks wait for the database');
        }
        await sleep(Math.min(2_000, 50 * 2 ** attempt) * (0.5 + Math.random() / 2));
      }
    }
  }

  async function splitBatch(batch: readonly Tick[], error: unknown): Promise<Counts> {
    const [tick] = batch;
    if (batch.length === 1 && tick !== undefined) {
      const rejection = {
        symbol: tick.symbol,
        reason: 'refused_by_database',
        detail: (error as Error).message,
        raw: JSON.stringify(tick).slice(0, 1_000),
      };
      // An unknown outcome may count it twice, which is better than not at all.
      await untilStored(() => feed.rejectTicks(source, [rejection]));
      return { stored: 0, duplicate: 0, conflicting: 0, rejected: 1 };
    }
    const middle = Math.ceil(batch.length / 2);
    const first = await recordPart(batch.slice(0, middle));
    return sum([first, await recordPart(batch.slice(middle))]);
  }
}

/** Two parts of about one size, each with all ticks of its symbols: writers of one instrument wait for each other. */
function halves(ticks: readonly Tick[]): Tick[][] {
  const parts: [Tick[], Tick[]] = [[], []];
  const [first, second] = parts;
  for (const ofSymbol of Map.groupBy(ticks, tick => tick.symbol).values()) {
    const smaller = first.length <= second.length ? first : second;
    for (const tick of ofSymbol) smaller.push(tick);
  }
  return parts.filter(part => part.length > 0);
}

function sum(counts: readonly Counts[]): Counts {
  const total = (pick: (each: Counts) => number): number =>
    counts.reduce((before, each) => before + pick(each), 0);
  return {
    stored: total(each => each.stored),
    duplicate: total(each => each.duplicate),
    conflicting: total(each => each.conflicting),
    rejected: total(each => each.rejected),
  };
}

/** Data exceptions and constraint violations lie in the content; everything else may pass. */
function isRefusal(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && (/^2[23]/.test(code) || code === 'FUTUR');
}
