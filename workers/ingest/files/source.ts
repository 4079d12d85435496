import { createReadStream } from 'node:fs';
import { sleep } from '../../../db/runtime/process.ts';
import type { Item, Source, Tick } from '../source.ts';
import { readTicks } from './csv.ts';

export interface FileSourceOptions {
  readonly file: string;
  /** Whose ticks they are; the source that the symbol belongs to. */
  readonly symbol: string;
  readonly source: string;
  /** Times real time between the ticks' own times, or `max`. */
  readonly speed: number | 'max';
  /** Lines until this one were stored before. */
  readonly after: number;
}

/** A source that ends: the lines of a file. It says nothing of times that are covered, as a file does not. */
export interface FileSource extends Source {
  /** The last line of what was said. */
  readonly line: () => number;
  readonly bytesRead: () => number;
}

export const replaySource = {
  name: 'replay',
  description: 'Ticks from files',
  isSimulated: false,
} as const;

export function createFileSource(options: FileSourceOptions): FileSource {
  const { file, symbol, after } = options;
  let line = after;
  let bytesRead = () => 0;

  async function* follow({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<Item> {
    const pace = createPace(options.speed, signal);
    const stream = createReadStream(file, { highWaterMark: 64 * 1024 });
    bytesRead = () => stream.bytesRead;
    let ticks: Tick[] = [];
    let lastLine = after;
    /** Before anything is waited for, what is due is said. */
    function* sayTicks(): Generator<Item> {
      line = lastLine;
      if (ticks.length > 0) yield { kind: 'ticks', ticks };
      ticks = [];
    }
    const reopen = () => createReadStream(file);
    for await (const items of readTicks(stream, { symbol, now: Date.now(), reopen })) {
      for (const item of items) {
        if (item.line <= after) continue;
        if ('rejection' in item) {
          yield* sayTicks();
          line = item.line;
          yield { kind: 'rejected', rejection: item.rejection };
        } else {
          if (pace.isDueLater(item.tick)) {
            yield* sayTicks();
            await pace.wait(item.tick);
          }
          if (signal.aborted) break;
          ticks.push(item.tick);
        }
        lastLine = item.line;
      }
      yield* sayTicks();
      if (signal.aborted) return;
    }
  }

  return {
    ...replaySource,
    name: options.source,
    instruments: async () => [{ symbol, description: '', pricePrecision: 5 }],
    follow,
    line: () => line,
    bytesRead: () => bytesRead(),
  };
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
    isDueLater: (tick: Tick): boolean => waitFor(tick) > 20,
    wait: (tick: Tick): Promise<void> => sleep(Math.max(0, waitFor(tick)), signal),
  };
}
