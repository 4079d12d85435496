import type { Logger } from '../../db/runtime/logger.ts';
import type { Feed, Stretch } from './feed.ts';
import type { Rejection } from './rejection.ts';
import type { Item } from './source.ts';
import { epochMicroseconds, fromEpochMicroseconds } from './time.ts';

/** Rejections that may wait for the database as they came; a flood above it is summed by its reasons. */
const maxWaiting = 5_000;
/** Stretches of a symbol that may wait for the database: what is lost above it becomes a gap. */
const maxStretches = 1_000;

/** Writes down what a source says beside its ticks. */
export interface Ledger {
  /** Takes note of an item; `ticks` are no matter of the ledger. */
  readonly take: (item: Exclude<Item, { kind: 'ticks' }>) => void;
  /**
   * Writes down what was said until now.
   * @param stored Resolves when every tick that came until now is stored, false when one never will be.
   */
  readonly write: (stored: () => Promise<boolean>) => Promise<void>;
  /** Waits for what is being written. */
  readonly settle: () => Promise<void>;
}

/** A rejection, and how many alike it stands for. */
interface Summed extends Rejection {
  count: number;
}

/** Times in microseconds since 1970. */
interface Heard {
  readonly from: number;
  to: number;
  readonly cause: string | null;
}

type Step =
  | { readonly kind: 'heard'; readonly symbols: Map<string, Heard[]> }
  | { readonly kind: 'missed'; readonly missed: readonly Stretch[] };

/**
 * Coverage is written seldom and together, one statement for all symbols, and only after the ticks of its
 * time: a process that dies leaves a gap that is none, and never a price that nobody knows is missing.
 */
export function createLedger({
  feed,
  source,
  logger,
}: {
  feed: Feed;
  source: string;
  logger: Logger;
}): Ledger {
  let steps: Step[] = [];
  /** Until when each symbol was heard; a stretch that begins later begins after a gap. */
  const heardUntil = new Map<string, number>();
  let isFirstConnection = true;
  let lastFault: string | undefined;
  let writes: Promise<unknown> = Promise.resolve();
  let rejections: Summed[] = [];
  let unwritten:
    | { state: 'connected' | 'disconnected'; reason: string | null; aloneForMs: number | null }
    | undefined;

  /** One after the other; what fails is tried again with the next one. */
  const queue = (what: () => Promise<void>): Promise<void> => {
    const written = writes.then(what);
    writes = written.catch((error: unknown) => logger.debug({ err: error }, 'ledger not written'));
    return written;
  };

  /** The source tells its state once, so it is kept until it is written. */
  async function writeState(): Promise<void> {
    const wanted = unwritten;
    if (wanted === undefined) return;
    await feed.recordState(source, wanted.state, wanted.reason, wanted.aloneForMs);
    if (unwritten === wanted) unwritten = undefined;
  }

  /** Beyond what may wait, one stands for all of its reason. */
  function keep(rejection: Summed): void {
    const alike =
      rejections.length < maxWaiting
        ? undefined
        : rejections.find(each => each.reason === rejection.reason);
    if (alike === undefined) rejections.push(rejection);
    else alike.count += rejection.count;
  }

  async function writeRejections(): Promise<void> {
    const batch = rejections;
    if (batch.length === 0) return;
    rejections = [];
    try {
      await feed.rejectTicks(source, batch);
    } catch (error) {
      const later = rejections;
      rejections = batch;
      for (const each of later) keep(each);
      throw error;
    }
  }

  async function writeSteps(stored: () => Promise<boolean>): Promise<void> {
    const due = steps;
    steps = [];
    if (due.length === 0 || !(await stored())) return;
    while (due.length > 0) {
      const [step] = due;
      try {
        if (step?.kind === 'heard') await feed.extendCoverage(source, stretchesOf(step.symbols));
        if (step?.kind === 'missed') await feed.openGaps(source, step.missed);
      } catch (error) {
        steps = [...due, ...steps];
        throw error;
      }
      due.shift();
    }
  }

  function hear(symbols: readonly string[], from: number, to: number): void {
    let step = steps.at(-1);
    if (step?.kind !== 'heard') {
      step = { kind: 'heard', symbols: new Map() };
      steps.push(step);
    }
    for (const symbol of symbols) {
      const until = heardUntil.get(symbol);
      heardUntil.set(symbol, Math.max(to, until ?? to));
      const own = step.symbols.get(symbol) ?? [];
      step.symbols.set(symbol, own);
      const last = own.at(-1);
      if (last !== undefined && from >= last.from && from <= last.to) {
        last.to = Math.max(last.to, to);
        continue;
      }
      own.push({ from, to, cause: until !== undefined && from <= until ? null : causeOf(until) });
      if (own.length > maxStretches) own.shift();
    }
  }

  const causeOf = (until: number | undefined): string => {
    if (until !== undefined) return lastFault ?? 'the source said nothing of this time';
    return isFirstConnection ? 'the ingest process was not running' : 'the symbol was not followed';
  };

  return {
    take(item) {
      switch (item.kind) {
        case 'covered':
          hear(item.symbols, epochMicroseconds(item.from), epochMicroseconds(item.to));
          break;
        case 'missed':
          steps.push({
            kind: 'missed',
            missed: item.symbols.map(symbol => ({ ...missedIn(item), symbol })),
          });
          logger.warn({ source, ...missedIn(item) }, `${source} missed something: ${item.cause}`);
          break;
        case 'rejected':
          keep({ ...item.rejection, count: 1 });
          if (rejections.length === 1) void queue(writeRejections).catch(() => undefined);
          break;
        case 'state': {
          const isConnected = item.state === 'connected';
          const reason = isConnected ? null : item.reason;
          if (isConnected) logger.info({ source }, `${source} connected`);
          else {
            const { retryInMs } = item;
            logger.warn({ source, reason, retryInMs }, `${source} disconnected`);
            lastFault = item.reason;
            isFirstConnection = false;
          }
          const aloneForMs = !isConnected && item.isAsked === true ? item.retryInMs : null;
          unwritten = { state: item.state, reason, aloneForMs };
          void queue(writeState).catch(() => undefined);
          break;
        }
      }
    },
    write: stored =>
      queue(async () => {
        await writeState();
        await writeRejections();
        await writeSteps(stored);
        isFirstConnection &&= heardUntil.size === 0;
      }),
    settle: async () => {
      await writes;
    },
  };
}

const missedIn = ({ from, to, cause }: Extract<Item, { kind: 'missed' }>) => ({ from, to, cause });

function stretchesOf(symbols: ReadonlyMap<string, readonly Heard[]>): Stretch[] {
  return [...symbols].flatMap(([symbol, own]) =>
    own.map(({ from, to, cause }) => ({
      symbol,
      from: fromEpochMicroseconds(from),
      to: fromEpochMicroseconds(to),
      cause,
    })),
  );
}
