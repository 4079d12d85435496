import type { Logger } from '../../db/runtime/logger.ts';
import { sleep } from '../../db/runtime/process.ts';
import { createBatcher } from './batch.ts';
import { createCoverage } from './coverage.ts';
import type { Counts, Feed } from './feed.ts';
import { recordBatch } from './record.ts';
import { type Source, SourceError, type Tick } from './source.ts';

/** Ticks of the largest batch. */
export const fullBatch = 8_000;
const nudgeEveryMs = 50;

/**
 * Source -> ticks in the database, until the signal aborts. Batches of at most 20 ms or 8,000 ticks;
 * after a commit the publisher is nudged, at most every 50 ms.
 *
 * @throws {SourceError} when the source cannot go on.
 */
export async function ingest(parts: {
  source: Source;
  symbols: readonly string[];
  feed: Feed;
  logger: Logger;
  signal: AbortSignal;
}): Promise<void> {
  const { source, feed, logger, signal } = parts;
  const symbols = await addInstruments(parts);
  const coverage = createCoverage({ feed, source: source.name, logger });
  const nudge = createNudge(feed, logger);
  let lost = 0;
  const record = async (ticks: readonly Tick[]): Promise<Counts | undefined> => {
    try {
      return await recordBatch(ticks, { feed, source: source.name, logger, signal });
    } catch (error) {
      logger.error({ err: error }, 'the database is away and the process has to stop');
      return undefined;
    }
  };
  const batcher = createBatcher<Tick>({
    maxItems: fullBatch,
    maxWaitMs: 20,
    // Two batches: what waits has to be stored within the seconds that a stop is given.
    maxWaiting: 2 * fullBatch,
    write: async ticks => {
      // After a batch that was given up none may be stored: a source goes on after the newest tick.
      const counts = lost > 0 ? undefined : await record(ticks);
      if (counts === undefined) {
        lost += ticks.length;
        return;
      }
      if (counts.stored > 0) nudge();
      if (counts.rejected + counts.conflicting > 0) {
        logger.warn({ ...counts }, 'ticks kept aside, see feed.rejected_ticks');
      }
    },
  });
  try {
    const storedUntil = await feed.storedUntil(symbols);
    for await (const ticks of source.ticks({
      symbols,
      storedUntil,
      signal,
      report: coverage.report,
    })) {
      await batcher.add(ticks);
    }
  } finally {
    await batcher.drain();
    if (lost > 0) logger.error({ lost }, `${lost} ticks were received and could not be stored`);
    await coverage.settle();
    // Stopped in order: its silence from now on is no fault.
    if (signal.aborted) await feed.recordState(source.name, 'stopped', null).catch(() => undefined);
  }
}

/** Adds what the source offers, and shows only instruments that can have live prices now. */
async function addInstruments({
  source,
  symbols,
  feed,
  logger,
  signal,
}: {
  source: Source;
  symbols: readonly string[];
  feed: Feed;
  logger: Logger;
  signal: AbortSignal;
}): Promise<string[]> {
  const instruments = await source.instruments(symbols, signal);
  for (let attempt = 0; ; attempt++) {
    try {
      await feed.setActive('simulated', source.isSimulated);
      for (const instrument of instruments) await feed.addInstrument(source.name, instrument);
      return instruments.map(instrument => instrument.symbol);
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === 'SRCIN' || code === '23514' || code === 'NOSRC') {
        throw new SourceError((error as Error).message);
      }
      if (signal.aborted || attempt >= 30) throw error;
      logger.warn({ err: error }, 'waiting for the database');
      await sleep(1_000, signal);
    }
  }
}

function createNudge(feed: Feed, logger: Logger): () => void {
  let timer: NodeJS.Timeout | undefined;
  let sentAt = 0;
  const send = (): void => {
    timer = undefined;
    sentAt = Date.now();
    feed.nudge().catch((error: unknown) => logger.debug({ err: error }, 'nudge lost'));
  };
  return () => {
    if (timer !== undefined) return;
    timer = setTimeout(send, Math.max(0, sentAt + nudgeEveryMs - Date.now()));
  };
}
