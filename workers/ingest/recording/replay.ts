import type { Logger } from '../../../db/runtime/logger.ts';
import { addCounts, type Counts, type Feed, noCounts } from '../feed.ts';
import { replaySource } from '../files/source.ts';
import { createRecorder } from '../record.ts';
import type { Rejection } from '../rejection.ts';
import { type Item, type RepairItem, SourceError, type Tick } from '../source.ts';
import { checkTick, isSymbol } from '../tick.ts';
import { type Played, type PlayOptions, playRecording } from './play.ts';

export interface RecordedReplayOptions extends Pick<PlayOptions, 'entries' | 'create' | 'secrets'> {
  /** Where the ticks go; absent: nowhere, and what would become of them is counted. */
  readonly feed: Feed | undefined;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: RecordedProgress) => void;
}

export interface RecordedProgress extends Counts {
  readonly entries: number;
  /** When the first and the last of them came. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** Entries that are missing in the recording itself. */
  readonly lost: number;
  /** How often what the source refused was refused for which reason; what the database did, stands there. */
  readonly reasons: ReadonlyMap<string, number>;
}

/** No recording is mistaken for what is heard now: its symbols are other ones, and belong to the source replay. */
export const recordedSymbol = (symbol: string): string => `${symbol}.REC`;

const BATCH = 5_000;
/** Ticks that a replay without a database knows again. */
const REMEMBERED = 200_000;

/**
 * Plays a recording through the source that heard it, and stores what that says, under `recordedSymbol`; of what it
 * says is covered or missed nothing is kept.
 *
 * @throws {SourceError} when the recording cannot be played.
 */
export async function replayRecording(
  options: RecordedReplayOptions,
): Promise<RecordedProgress & Played> {
  const store = options.feed === undefined ? createMemory() : createStore(options, options.feed);
  const reasons = new Map<string, number>();
  let counts: Counts = noCounts;
  let [entries, lost] = [0, 0];
  let from: string | undefined;
  let to: string | undefined;
  let ticks: Tick[] = [];
  let rejections: Rejection[] = [];

  function take(item: Item | RepairItem): void {
    if (item.kind === 'ticks') for (const tick of item.ticks) ticks.push(renamed(tick));
    if (item.kind !== 'rejected') return;
    const { symbol, reason } = item.rejection;
    rejections.push({ ...item.rejection, symbol: symbol && recordedSymbol(symbol) });
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }

  async function flush(): Promise<void> {
    const [said, refused] = [ticks, rejections];
    ticks = [];
    rejections = [];
    if (said.length > 0) counts = addCounts(counts, await store.ticks(said));
    if (refused.length > 0) await store.rejections(refused);
    counts = { ...counts, rejected: counts.rejected + refused.length };
    options.onProgress?.(progress());
  }

  const progress = (): RecordedProgress => ({ ...counts, entries, from, to, lost, reasons });

  const played = await playRecording({
    ...options,
    onItem: take,
    async onEntry(entry) {
      if (!entry.isAgain) entries += 1;
      if ('lost' in entry) lost += entry.lost;
      from ??= entry.at;
      to = entry.at;
      if (ticks.length + rejections.length >= BATCH) await flush();
    },
  });
  await flush();
  return { ...progress(), ...played };
}

function renamed(tick: Tick): Tick {
  const symbol = recordedSymbol(tick.symbol);
  if (isSymbol(symbol)) return { ...tick, symbol };
  throw new SourceError(`${tick.symbol} is too long a symbol to be replayed as ${symbol}`);
}

interface Store {
  readonly ticks: (ticks: readonly Tick[]) => Promise<Counts>;
  readonly rejections: (rejections: readonly Rejection[]) => Promise<unknown>;
}

function createStore(
  { logger, signal }: Pick<RecordedReplayOptions, 'logger' | 'signal'>,
  feed: Feed,
): Store {
  const source = replaySource.name;
  const recorder = createRecorder({ feed, source, logger, signal });
  const digits = new Map<string, number>();

  /** Made as it is needed, as of a file. */
  async function prepare(ticks: readonly Tick[]): Promise<void> {
    const shown = new Map<string, number>();
    for (const { symbol, bid, ask, last } of ticks) {
      const most = Math.max(...[bid, ask, last].map(decimalsOf), shown.get(symbol) ?? 0);
      shown.set(symbol, most);
    }
    for (const [symbol, most] of shown) {
      const known = digits.get(symbol);
      if (known === undefined) {
        if (digits.size === 0) await feed.registerSource(replaySource, false);
        const description = 'From a recording';
        await feed.addInstrument(source, { symbol, description, pricePrecision: 0 });
        const live = symbol.slice(0, -recordedSymbol('').length);
        if (await feed.allowsNegative(live)) await feed.allowNegative(symbol, source);
      }
      if (known === undefined || most > known) {
        digits.set(symbol, most);
        await feed.showDigits(symbol, most);
      }
    }
  }

  return {
    async ticks(ticks) {
      await prepare(ticks);
      const counts = await recorder.record(ticks);
      await feed.nudge();
      return counts;
    },
    rejections: rejections => feed.rejectTicks(source, rejections),
  };
}

/** Judges as a database would that has nothing of it, of as many ticks as are remembered. */
function createMemory(): Store {
  const known = new Map<string, string>();

  function judge(tick: Tick): keyof Counts {
    const { symbol, observedAt, seq, copy = 1, bid, ask, last, size } = tick;
    if (checkTick(tick, { now: Date.now(), allowsNegative: false }) !== null) return 'rejected';
    const content = [bid, ask, last, size].join(' ');
    const key = [symbol, observedAt, seq ?? `${content} ${copy}`].join(' ');
    const before = known.get(key);
    if (before !== undefined) return before === content ? 'duplicate' : 'conflicting';
    known.set(key, content);
    if (known.size > REMEMBERED) known.delete(known.keys().next().value ?? '');
    return 'stored';
  }

  return {
    async ticks(ticks) {
      const counts = { ...noCounts } as Record<keyof Counts, number>;
      for (const tick of ticks) counts[judge(tick)] += 1;
      return counts;
    },
    rejections: async () => undefined,
  };
}

function decimalsOf(price: number | null): number {
  const [mantissa = '', exponent = '0'] = String(price ?? 0).split('e');
  return Math.max(0, (mantissa.split('.')[1] ?? '').length - Number(exponent));
}
