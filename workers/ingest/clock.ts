/**
 * How far a clock of ours is from another's, by questions that are asked anyway: the answer was given
 * somewhere between its question and its arrival, so a difference within half of that time is none.
 */
export interface Clock {
  /** Milliseconds that ours is ahead, behind is negative; null before the first answer and when it took too long to tell. */
  offset(): number | null;
  /**
   * Asks for the other's clock.
   * @param ask Resolves with the other's time in milliseconds since 1970.
   */
  compare(ask: () => Promise<number>): Promise<void>;
}

/** @param now Ours, in milliseconds since 1970. */
export function createClock(now: () => number = Date.now): Clock {
  let offset: number | null = null;
  return {
    offset: () => offset,
    async compare(ask) {
      const askedAt = now();
      const theirs = await ask();
      const answeredAt = now();
      const error = (answeredAt - askedAt) / 2;
      const measured = askedAt + error - theirs;
      if (Math.abs(measured) <= error) offset = error < 1_000 ? 0 : null;
      else offset = measured - Math.sign(measured) * error;
    },
  };
}
