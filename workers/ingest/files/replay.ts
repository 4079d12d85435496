import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Logger } from '../../../db/runtime/logger.ts';
import type { Counts, Feed } from '../feed.ts';
import { createRecorder } from '../record.ts';
import type { Rejection } from '../rejection.ts';
import type { Tick } from '../source.ts';
import { TickFileError } from './csv.ts';
import { createFileSource } from './source.ts';

export interface ReplayOptions {
  readonly file: string;
  readonly symbol: string;
  readonly source: string;
  /** Times real time between the ticks' own times, or `max`. */
  readonly speed: number | 'max';
  readonly feed: Feed;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ReplayProgress) => void;
}

export interface ReplayProgress extends Counts {
  /** The last line whose tick is stored. */
  readonly line: number;
  readonly bytesRead: number;
  readonly bytes: number;
  /** The first rejected lines, for the person who waits. */
  readonly rejections: readonly { line: number; reason: string; detail: string }[];
  readonly resumedAfter: number;
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
  const { file, symbol, source, feed, signal } = options;
  const { fingerprint, bytes } = await identify(file);
  const resumedAfter = await feed.replayedUntil(fingerprint, symbol);
  const recorder = createRecorder(options);
  const from = createFileSource({ ...options, after: resumedAfter });
  let counts: Counts = { stored: 0, duplicate: 0, conflicting: 0, rejected: 0 };
  let line = resumedAfter;
  let ticks: Tick[] = [];
  let rejections: Rejection[] = [];
  let shown: { line: number; reason: string; detail: string }[] = [];

  const progress = (): ReplayProgress => ({
    ...counts,
    line,
    bytesRead: from.bytesRead(),
    bytes,
    rejections: shown,
    resumedAfter,
  });

  const flush = async (isFinished: boolean): Promise<void> => {
    if (ticks.length > 0) counts = add(counts, await recorder.record(ticks));
    if (rejections.length > 0) {
      await feed.rejectTicks(source, rejections);
      counts = { ...counts, rejected: counts.rejected + rejections.length };
    }
    ticks = [];
    rejections = [];
    line = from.line();
    await feed.recordReplay({ fingerprint, symbol, fileName: basename(file), line, isFinished });
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
      // At a speed, what was said is due now.
      if (options.speed !== 'max' || ticks.length + rejections.length >= maxBatch) {
        await flush(false);
      }
      if (signal.aborted) break;
    }
  } catch (error) {
    // What came before the place where the file cannot be read on is good.
    if (error instanceof TickFileError) await flush(false);
    throw error;
  }
  await flush(!signal.aborted);
  return progress();
}

async function identify(file: string): Promise<{ fingerprint: string; bytes: number }> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(65_536), 0, 65_536, 0);
    const hash = createHash('sha256').update(`${size} `).update(buffer.subarray(0, bytesRead));
    return { fingerprint: hash.digest('hex'), bytes: size };
  } finally {
    await handle.close();
  }
}

function add(one: Counts, other: Counts): Counts {
  return {
    stored: one.stored + other.stored,
    duplicate: one.duplicate + other.duplicate,
    conflicting: one.conflicting + other.conflicting,
    rejected: one.rejected + other.rejected,
  };
}
