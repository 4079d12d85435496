import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Logger } from '../../../db/runtime/logger.ts';
import { sleep } from '../../../db/runtime/process.ts';
import type { Counts, Feed } from '../feed.ts';
import { createRecorder } from '../record.ts';
import type { Rejection } from '../rejection.ts';
import type { Tick } from '../source.ts';
import { readTicks } from './csv.ts';

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
 */
export async function replay(options: ReplayOptions): Promise<ReplayProgress> {
  const { file, symbol, source, feed, signal } = options;
  const { fingerprint, bytes } = await identify(file);
  const resumedAfter = await feed.replayedUntil(fingerprint, symbol);
  const recorder = createRecorder(options);
  const pace = createPace(options.speed, signal);
  const stream = createReadStream(file, { highWaterMark: 64 * 1024 });
  let counts: Counts = { stored: 0, duplicate: 0, conflicting: 0, rejected: 0 };
  let line = resumedAfter;
  let ticks: Tick[] = [];
  let rejections: { line: number; rejection: Rejection }[] = [];
  let shown: { line: number; reason: string; detail: string }[] = [];

  const progress = (): ReplayProgress => ({
    ...counts,
    line,
    bytesRead: stream.bytesRead,
    bytes,
    rejections: shown,
    resumedAfter,
  });

  const flush = async (isFinished: boolean): Promise<void> => {
    if (ticks.length > 0) counts = add(counts, await recorder.record(ticks));
    if (rejections.length > 0) {
      await feed.rejectTicks(
        source,
        rejections.map(each => ({
          ...each.rejection,
          detail: `line ${each.line}: ${each.rejection.detail}`,
        })),
      );
      counts = add(counts, {
        stored: 0,
        duplicate: 0,
        conflicting: 0,
        rejected: rejections.length,
      });
    }
    ticks = [];
    rejections = [];
    await feed.recordReplay({ fingerprint, symbol, fileName: basename(file), line, isFinished });
    await feed.nudge();
    options.onProgress(progress());
  };

  for await (const items of readTicks(stream, { symbol, now: Date.now() })) {
    for (const item of items) {
      if (item.line <= resumedAfter) continue;
      if ('tick' in item) {
        if (pace.isDue(item.tick)) {
          if (ticks.length > 0) await flush(false);
          await pace.wait(item.tick);
        }
        ticks.push(item.tick);
      } else {
        rejections.push(item);
        const { reason, detail } = item.rejection;
        if (shown.length < shownRejections) shown = [...shown, { line: item.line, reason, detail }];
      }
      line = item.line;
      if (ticks.length + rejections.length >= maxBatch) await flush(false);
      if (signal.aborted) break;
    }
    if (signal.aborted) break;
  }
  await flush(!signal.aborted);
  return progress();
}

/** Holds ticks back until as much time has passed as between them, divided by the speed. */
function createPace(speed: number | 'max', signal: AbortSignal) {
  let origin: { observed: number; now: number } | undefined;
  const waitFor = (tick: Tick): number => {
    if (speed === 'max') return 0;
    const observed = Date.parse(tick.observedAt);
    origin ??= { observed, now: Date.now() };
    return origin.now + (observed - origin.observed) / speed - Date.now();
  };
  return {
    isDue: (tick: Tick): boolean => waitFor(tick) > 20,
    wait: (tick: Tick): Promise<void> => sleep(Math.max(0, waitFor(tick)), signal),
  };
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
