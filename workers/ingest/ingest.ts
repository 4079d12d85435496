import type { Logger } from '../../db/runtime/logger.ts';
import { sleep } from '../../db/runtime/process.ts';
import { type Batcher, createBatcher } from './batch.ts';
import { createCoverage } from './coverage.ts';
import type { Counts, Feed } from './feed.ts';
import { createRecorder } from './record.ts';
import { type Source, SourceError, type Tick } from './source.ts';

/** Ticks of the largest batch. */
const fullBatch = 8_000;
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
  const writer = createWriter({
    ...parts,
    source: source.name,
    onStored: counts => {
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
      await writer.add(ticks);
    }
  } finally {
    await writer.drain();
    const lost = writer.lost();
    if (lost > 0) logger.error({ lost }, `${lost} ticks were received and could not be stored`);
    await coverage.settle();
    // Stopped in order: its silence from now on is no fault.
    if (signal.aborted) await feed.recordState(source.name, 'stopped', null).catch(() => undefined);
  }
}

/**
 * Collects ticks and stores them in batches. A full batch does not wait for the one before it. `lost` counts
 * ticks that a stop did not let it store.
 */
export function createWriter(parts: {
  source: string;
  feed: Feed;
  logger: Logger;
  signal: AbortSignal;
  onStored: (counts: Counts) => void;
}): Batcher<Tick> & { lost(): number } {
  const recorder = createRecorder(parts);
  let lost = 0;
  let storing = Promise.resolve();

  async function store(ticks: readonly Tick[]): Promise<void> {
    try {
      parts.onStored(await recorder.record(ticks));
    } catch (error) {
      if (lost === 0) {
        parts.logger.error({ err: error }, 'the database is away and the process has to stop');
      }
      lost += ticks.length;
    }
  }

  const batcher = createBatcher<Tick>({
    maxItems: fullBatch,
    maxWaitMs: 20,
    // Two batches, as two are being stored: all of it within the seconds that a stop is given.
    maxWaiting: 2 * fullBatch,
    write: async ticks => {
      const before = storing;
      storing = store(ticks);
      // Only when more waits than fits: what comes meanwhile shall go with the next one.
      await (ticks.length < fullBatch ? storing : before);
    },
  });
  return {
    add: batcher.add,
    async drain() {
      await batcher.drain();
      await storing;
    },
    lost: () => lost,
  };
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
