import type { Logger } from '../../../db/runtime/logger.ts';
import { addCounts, type Counts, type Feed, noCounts } from '../feed.ts';
import { createRecorder } from '../record.ts';
import type { Rejection } from '../rejection.ts';
import type { Tick } from '../source.ts';
import { TickFileError } from './csv.ts';
import type { Input } from './input.ts';
import { createFileSource, type FileLayout } from './source.ts';

export interface ReplayOptions {
  readonly input: Input;
  /** The asks of the bids that the input has. */
  readonly asks?: Input;
  readonly reading?: FileLayout;
  readonly symbol: string;
  readonly source: string;
  /** Prices of zero and below are prices; the instrument has to say so too, before they are stored. */
  readonly allowsNegative?: boolean;
  /** Times real time between the ticks' own times, or `max`. */
  readonly speed: number | 'max';
  readonly feed: Feed;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Makes the instrument, if there is none: called when the first ticks are read and before they are stored. */
  readonly prepare?: () => Promise<void>;
  readonly onProgress: (progress: ReplayProgress) => void;
}

export interface ReplayProgress extends Counts {
  /** The last line whose tick is stored. */
  readonly line: number;
  readonly bytesRead: number;
  /** Null: nobody knows. */
  readonly bytes: number | null;
  /** The first rejected lines, for the person who waits. */
  readonly rejections: readonly { line: number; reason: string; detail: string }[];
  readonly resumedAfter: number;
}

interface Batch {
  readonly rejections: readonly Rejection[];
  readonly line: number;
  readonly isFinished: boolean;
}

const maxBatch = 5_000;
const shownRejections = 10;

/**
 * Stores the ticks of a file. An interrupted replay goes on after its last stored line, and replaying
 * a file again stores nothing twice.
 *
 * @returns what became of every line; malformed ones are in feed.rejected_ticks with their number.
 * @throws {TickFileError} when it cannot be read on; what came before is stored, and progress told.
 */
export async function replay(options: ReplayOptions): Promise<ReplayProgress> {
  const { input, symbol, source, feed, signal } = options;
  const fingerprint = options.asks === undefined ? input.fingerprint : null;
  const resumedAfter = fingerprint === null ? 0 : await feed.replayedUntil(fingerprint, symbol);
  const recorder = createRecorder({ ...options, origin: 'fetched' });
  const allowsNegative = options.allowsNegative || (await feed.allowsNegative(symbol));
  const from = createFileSource({ ...options, allowsNegative, after: resumedAfter });
  let counts: Counts = noCounts;
  let storing = Promise.resolve();
  let line = resumedAfter;
  let isPrepared = resumedAfter > 0 && !options.allowsNegative;
  let decimals = 0;
  let ticks: Tick[] = [];
  let rejections: Rejection[] = [];
  let shown: { line: number; reason: string; detail: string }[] = [];

  const progress = (): ReplayProgress => ({
    ...counts,
    line,
    bytesRead: input.bytesRead(),
    bytes: input.bytes,
    rejections: shown,
    resumedAfter,
  });

  /** What was read goes to the database, while the reader reads on; of two batches, the first is done first. */
  const flush = async (isFinished: boolean): Promise<void> => {
    // A file without a tick makes nothing, and what is wrong with it is told to who waits.
    if (!isPrepared && ticks.length === 0) return;
    if (!isPrepared) await options.prepare?.();
    isPrepared = true;
    if (from.decimals() > decimals) {
      decimals = from.decimals();
      await feed.showDigits(symbol, decimals);
    }
    const batch = { rejections, line: from.line(), isFinished };
    const recorded = ticks.length > 0 ? recorder.record(ticks) : Promise.resolve(noCounts);
    recorded.catch(() => undefined);
    ticks = [];
    rejections = [];
    await storing;
    storing = settle(batch, recorded);
    storing.catch(() => undefined);
  };

  const settle = async (batch: Batch, recorded: Promise<Counts>): Promise<void> => {
    counts = addCounts(counts, await recorded);
    if (batch.rejections.length > 0) {
      await feed.rejectTicks(source, batch.rejections);
      counts = { ...counts, rejected: counts.rejected + batch.rejections.length };
    }
    line = batch.line;
    if (fingerprint !== null) {
      const { isFinished } = batch;
      await feed.recordReplay({ fingerprint, symbol, fileName: input.name, line, isFinished });
    }
    await feed.nudge();
    options.onProgress(progress());
  };

  const wanted = { symbols: [symbol], storedUntil: new Map(), changed: signal };
  try {
    for await (const item of from.follow({ signal, wanted: () => wanted })) {
      if (item.kind === 'ticks') for (const tick of item.ticks) ticks.push(tick);
      if (item.kind === 'rejected') {
        const { reason, detail } = item.rejection;
        rejections.push({ ...item.rejection, detail: `line ${from.line()}: ${detail}` });
        if (shown.length < shownRejections)
          shown = [...shown, { line: from.line(), reason, detail }];
      }
      // At a speed, or as it comes, what was said is due now.
      const isDue = options.speed !== 'max' || (input.fingerprint === null && !from.hasMore());
      if (isDue || ticks.length + rejections.length >= maxBatch) await flush(false);
      if (isDue) await storing;
      if (signal.aborted) break;
    }
  } catch (error) {
    // What came before the place where the file cannot be read on is good.
    if (error instanceof TickFileError) await flush(false);
    await storing;
    throw error;
  }
  await flush(!signal.aborted);
  await storing;
  return progress();
}
