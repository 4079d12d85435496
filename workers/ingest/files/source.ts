import { sleep } from '../../../db/runtime/process.ts';
import type { Item, Source, Tick } from '../source.ts';
import { type ReadTicksOptions, readTicks } from './csv.ts';
import type { Input } from './input.ts';
import { joinSides } from './sides.ts';

/** How its lines are to be read, where they do not say it themselves. */
export type FileLayout = Pick<
  ReadTicksOptions,
  'layout' | 'columns' | 'delimiter' | 'decimal' | 'zone'
>;

export interface FileSourceOptions {
  readonly input: Input;
  /** The asks of the bids that the input has. */
  readonly asks?: Input;
  readonly reading?: FileLayout;
  /** Whose ticks they are; the source that the symbol belongs to. */
  readonly symbol: string;
  readonly source: string;
  /** Prices of zero and below are prices. */
  readonly allowsNegative: boolean;
  /** Times real time between the ticks' own times, or `max`. */
  readonly speed: number | 'max';
  /** Lines until this one were stored before. */
  readonly after: number;
}

/** A source that ends: the lines of a file. It says nothing of times that are covered, as a file does not. */
export interface FileSource extends Source {
  /** The last line of what was said. */
  readonly line: () => number;
  /** What follows was read already and comes at once: it is of no use to store what was said before. */
  readonly hasMore: () => boolean;
  /** Digits after the decimal mark of the longest price that was said. */
  readonly decimals: () => number;
}

export const replaySource = {
  name: 'replay',
  description: 'Ticks from files',
  isSimulated: false,
} as const;

export function createFileSource(options: FileSourceOptions): FileSource {
  const { input, asks, symbol, after } = options;
  let line = after;
  let hasMore = false;
  let decimals = 0;

  async function* follow({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<Item> {
    const pace = createPace(options.speed, signal);
    let ticks: Tick[] = [];
    let lastLine = after;
    /** Before anything is waited for, what is due is said. */
    function* sayTicks(): Generator<Item> {
      line = lastLine;
      if (ticks.length > 0) yield { kind: 'ticks', ticks };
      ticks = [];
    }
    const open = ({ open, reopen }: Input) =>
      readTicks(open(signal), {
        ...options.reading,
        ...(reopen && { reopen }),
        symbol,
        allowsNegative: options.allowsNegative,
        now: Date.now(),
      });
    const groups = asks === undefined ? open(input) : joinSides(open(input), open(asks));
    for await (const items of groups) {
      for (const [index, item] of items.entries()) {
        if (item.line <= after) continue;
        if ('rejection' in item) {
          hasMore = true;
          yield* sayTicks();
          line = item.line;
          hasMore = index < items.length - 1;
          yield { kind: 'rejected', rejection: item.rejection };
        } else {
          if (pace.isDueLater(item.tick)) {
            yield* sayTicks();
            await pace.wait(item.tick);
          }
          if (signal.aborted) break;
          ticks.push(item.tick);
          decimals = Math.max(decimals, item.decimals);
        }
        lastLine = item.line;
      }
      hasMore = false;
      yield* sayTicks();
      if (signal.aborted) return;
    }
  }

  return {
    ...replaySource,
    name: options.source,
    instruments: async () => [{ symbol, description: '', pricePrecision: decimals }],
    follow,
    line: () => line,
    hasMore: () => hasMore,
    decimals: () => decimals,
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
    async wait(tick: Tick): Promise<void> {
      // A timer of more than 24 days would go off at once.
      for (let left = waitFor(tick); left > 0 && !signal.aborted; left = waitFor(tick)) {
        await sleep(Math.min(left, 3_600_000), signal);
      }
    },
  };
}
