import type { Logger } from '../../db/runtime/logger.ts';
import { sleep } from '../../db/runtime/process.ts';
import type { ClaimedGap, Feed } from './feed.ts';
import { createRecorder, type Recorder } from './record.ts';
import type { Source } from './source.ts';

/** How often a provider is asked for one gap, before others have their turn. */
const budget = 100;
const lookEveryMs = 2_000;
/** The database is for live ticks first: a repair waits as long as it worked, up to this. */
const longestRestMs = 2_000;

export interface RepairParts {
  readonly source: Source;
  readonly feed: Feed;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly onStored: () => void;
}

/**
 * Fills the gaps of a source from its provider, one at a time, until the signal aborts. Each part is proven
 * as soon as its ticks are stored, so whoever goes on after a stop begins where this one ended.
 */
export async function repairGaps(parts: RepairParts): Promise<void> {
  const { source, feed, logger, signal } = parts;
  if (source.repair === undefined) return;
  const recorder = createRecorder({ ...parts, source: source.name, origin: 'fetched' });
  while (!signal.aborted) {
    const gap = await feed.claimGap(source.name).catch((error: unknown) => {
      logger.debug({ err: error }, 'gaps could not be looked at');
      return null;
    });
    if (gap === null) {
      await sleep(lookEveryMs, signal);
      continue;
    }
    const fault = await repairGap(parts, recorder, gap);
    // What nobody could tell the database is tried again when the claim has run out.
    await feed
      .releaseGap(gap.id, fault)
      .catch((error: unknown) => logger.debug({ err: error }, 'a gap was not released'));
  }
}

/** @returns what kept it from being repaired, or null. */
async function repairGap(
  { source, feed, logger, signal, onStored }: RepairParts,
  recorder: Recorder,
  gap: ClaimedGap,
): Promise<string | null> {
  const { symbol, from, to } = gap;
  const about = { source: source.name, symbol, from, to };
  let proven = 0;
  try {
    let since = performance.now();
    for await (const item of source.repair?.(gap, { signal, budget }) ?? []) {
      if (signal.aborted) return null;
      switch (item.kind) {
        case 'ticks':
          await recorder.record(item.ticks);
          break;
        case 'candles':
          await feed.reconstructTicks(source.name, gap, item.widthSeconds, item.candles);
          break;
        case 'rejected':
          await feed.rejectTicks(source.name, [item.rejection]);
          break;
        case 'covered': {
          const stretch = { symbol, from: item.from, to: item.to, cause: null };
          await feed.extendCoverage(source.name, [stretch], item.grade);
          proven += 1;
          onStored();
          await sleep(Math.min(performance.now() - since, longestRestMs), signal);
          since = performance.now();
          break;
        }
        case 'impossible':
          await feed.giveUpGap(gap.id, item.reason);
          logger.warn(about, `a gap cannot be repaired: ${item.reason}`);
          return null;
      }
    }
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    if (!signal.aborted) logger.warn({ ...about, err: error }, `a gap is not repaired: ${fault}`);
    return signal.aborted ? null : fault;
  }
  if (proven === 0) return 'the source gave nothing';
  logger.info(about, 'a gap is repaired, or a part of it');
  return null;
}
