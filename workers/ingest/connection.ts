import { sleep } from '../../db/runtime/process.ts';
import { SourceError } from './source.ts';
import { oneLine } from './text.ts';

/** Trying again may help, after `retryAfter` milliseconds at the earliest. */
export class Hiccup extends Error {
  override readonly name = 'Hiccup';
  readonly retryAfter: number;
  constructor(message: string, retryAfter = 0) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** A provider answered, and its answer will not change. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  /** The provider's own words as one line, or nothing. */
  readonly said: string;
  constructor(status: number, said: string) {
    super(`HTTP ${status}${said === '' ? '' : `, ${said}`}`);
    this.status = status;
    this.said = said;
  }
}

export interface BackoffOptions {
  /** Longest wait in milliseconds after the first failure in a row; it doubles with each further one. */
  readonly first: number;
  readonly longest: number;
  /** From 0 to 1, for the jitter. */
  readonly random?: () => number;
}

/** How many milliseconds to wait after the last of so many failures in a row. */
export function backoff(
  failures: number,
  last: Hiccup,
  { first, longest, random = Math.random }: BackoffOptions,
): number {
  const most = Math.min(first * 2 ** (failures - 1), longest);
  return Math.max(most * (0.5 + 0.5 * random()), last.retryAfter);
}

/**
 * Cuts the connection when the action takes longer than `ms`.
 * @throws {Hiccup} for that, and for every failure of the network.
 */
export async function within<Result>(
  ms: number,
  connection: AbortController,
  action: () => Promise<Result>,
  namedMs = ms,
): Promise<Result> {
  const timer = setTimeout(() => connection.abort(silent(namedMs)), Math.max(0, ms));
  try {
    return await action();
  } catch (error) {
    const isOurs = [Hiccup, Refusal, SourceError].some(kind => error instanceof kind);
    throw isOurs ? error : new Hiccup(describeNetworkFault(error));
  } finally {
    clearTimeout(timer);
  }
}

/** The least rest after something useless, in milliseconds. */
const REST = 10;
/** So many times as long as it took to look at it; a flood of nothing then has a quarter of a core at most. */
const RESTS = 3;

/** How long nothing useful may come. */
export interface Patience {
  /** Waits for what comes next. @throws {Hiccup} when it is over. */
  readonly wait: <Result>(next: () => Promise<Result>) => Promise<Result>;
  /** What came was looked at: something useful renews it, anything else has cost its time. */
  readonly heard: (isUseful: boolean) => void;
}

/**
 * The time of waiting and of looking at what came counts, not what our consumer takes: a flood of nothing
 * ends as silence does.
 */
export function createPatience(ms: number, connection: AbortController): Patience {
  let left = ms;
  let since = performance.now();
  let cameAt = since;
  let effort = 0;
  return {
    async wait(next) {
      since = performance.now();
      // What floods us with nothing is not worth a core.
      if (left < 0.9 * ms) await sleep(Math.max(REST, RESTS * effort), connection.signal);
      if (left <= 0) throw silent(ms);
      const result = await within(left, connection, next, ms);
      cameAt = performance.now();
      return result;
    },
    heard: isUseful => {
      const now = performance.now();
      effort = now - cameAt;
      left = isUseful ? ms : left - (now - since);
    },
  };
}

const silent = (ms: number) => new Hiccup(`nothing came for ${ms / 1_000} s`);

/** Node says only `fetch failed`; why is in the cause. */
function describeNetworkFault(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'the connection failed';
  const why = 'code' in cause ? String(cause.code) : cause.message;
  return `the connection failed (${oneLine(why, 100)})`;
}
