import type { Wanted } from './source.ts';

/** The symbols that a source is to follow, which change while it runs. */
export interface WantedSet {
  readonly current: () => Wanted;
  /** @param storedUntil of those that were not wanted before. */
  readonly change: (symbols: readonly string[], storedUntil: ReadonlyMap<string, string>) => void;
}

export function createWanted(): WantedSet {
  let changing = new AbortController();
  let wanted: Wanted = { symbols: [], storedUntil: new Map(), changed: changing.signal };
  return {
    current: () => wanted,
    change: (symbols, storedUntil) => {
      const before = changing;
      changing = new AbortController();
      wanted = { symbols, storedUntil, changed: changing.signal };
      before.abort();
    },
  };
}
