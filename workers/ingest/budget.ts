import { setTimeout as delay } from 'node:timers/promises';

/** How often a provider may be asked, by all that ask it: requests and connections alike. */
export interface Budget {
  /** Waits for its turn, in the order of asking; returns early when the signal aborts. */
  readonly take: (signal?: AbortSignal) => Promise<void>;
  /** The provider said that it wants to be left alone for so many milliseconds. */
  readonly pause: (milliseconds: number) => void;
}

export interface BudgetOptions {
  readonly perSecond: number;
  /** How many may be asked at once after a rest. */
  readonly burst: number;
}

/** A bucket of tokens: it fills with time up to `burst`, and each question takes one. */
export function createBudget({ perSecond, burst }: BudgetOptions): Budget {
  const everyMs = 1_000 / perSecond;
  /** When the bucket is full again, by the monotonic clock; questions in between move it ahead. */
  let fullAt = 0;
  let pausedUntil = 0;
  let turn: Promise<void> = Promise.resolve();

  async function wait(signal?: AbortSignal): Promise<void> {
    while (!signal?.aborted) {
      const now = performance.now();
      const dueAt = Math.max(pausedUntil, fullAt - (burst - 1) * everyMs);
      if (dueAt <= now) {
        fullAt = Math.max(fullAt, now) + everyMs;
        return;
      }
      await delay(Math.ceil(dueAt - now), undefined, signal && { signal }).catch(() => undefined);
    }
  }

  return {
    take: signal => {
      turn = turn.then(() => wait(signal));
      return turn;
    },
    pause: milliseconds => {
      pausedUntil = Math.max(pausedUntil, performance.now() + milliseconds);
    },
  };
}

/** Of a provider that is not there. */
export const noBudget: Budget = { take: async () => undefined, pause: () => undefined };
