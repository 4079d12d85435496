/**
 * Until when all is here that happened, for providers that tell what time it is and not what they have sent: a
 * while ago. What comes later than that its id tells.
 */
export interface Hindsight {
  /** The subscription is taken. Before, one stream may come and another not yet. */
  readonly begin: () => void;
  /** @returns until when all is here as this time is told, if that is worth telling; milliseconds since 1970. */
  readonly at: (time: number) => number | null;
}

/** @param lag How long it takes at most until what happened is here, in milliseconds. */
export function createHindsight(lag: number): Hindsight {
  let hasBegun = false;
  let from: number | undefined;
  let toldUntil = Number.NEGATIVE_INFINITY;
  return {
    begin: () => {
      hasBegun = true;
    },
    at: time => {
      if (!hasBegun) return null;
      // What comes first may have happened before.
      from ??= time + lag;
      const until = time - lag;
      if (until < from || until - toldUntil < lag) return null;
      toldUntil = until;
      return until;
    },
  };
}
