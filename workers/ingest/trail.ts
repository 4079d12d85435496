import type { Item } from './source.ts';
import { epochMicroseconds, fromEpochMicroseconds } from './time.ts';

/** A trade, as far as order matters. */
export interface Mark {
  readonly id: bigint;
  /** Its time, or one after it before which there is no newer one. UTC with microseconds, as ticks have it. */
  readonly time: string;
}

export type Marks = ReadonlyMap<string, Mark>;

/**
 * What the ids of a provider's trades say about what was heard on one connection, for providers whose ids
 * grow by one per symbol. An id that was skipped is a gap, whoever else was heard meanwhile; and where no id
 * is missing nothing is, however long the connection was away.
 */
export interface Trail {
  /** A trade came, in the order of ids but for faults. Its tick has to be said before what this returns. */
  readonly trade: (symbol: string, mark: Mark) => Item[];
  /**
   * The provider said that it lives, at a time of its clock.
   * @param lastId Of the newest trade, as it says; null when it does not, and then time alone has to do.
   */
  readonly beat: (symbol: string, time: string, lastId: bigint | null) => Item[];
  /** Of what others had heard when this connection was begun: what is older comes as a repetition. */
  readonly recall: (known: Marks) => void;
  /** This connection goes on where others ended. */
  readonly follow: (before: Marks) => Item[];
  /** The newest trade of each symbol. */
  readonly marks: () => Marks;
  /** The first trade of a symbol on this connection, if there was one. */
  readonly first: (symbol: string) => Mark | undefined;
  /** How often in a row the provider told of trades of a symbol that did not come. */
  readonly losses: (symbol: string) => number;
}

interface Steps {
  first: Mark | undefined;
  last: Mark | undefined;
  /** The newest trade as the provider told of it, as long as none has come on this connection. */
  told: Mark | undefined;
  /** Everything until then was said, from the first trade or beat on. */
  saidUntil: string | undefined;
  /** Where another connection ended, as long as nothing can be said about what came between. */
  before: Mark | undefined;
  /** The provider told of this trade, which had not come yet. */
  awaited: bigint | undefined;
  losses: number;
}

export function createTrail(): Trail {
  const all = new Map<string, Steps>();
  let known: Marks = new Map();

  function stepsOf(symbol: string): Steps {
    const steps = all.get(symbol) ?? {
      first: undefined,
      last: undefined,
      told: undefined,
      saidUntil: undefined,
      before: undefined,
      awaited: undefined,
      losses: 0,
    };
    all.set(symbol, steps);
    return steps;
  }

  /** On from where it was said until then. What is older was said, or taken back, and stays so. */
  function cover(symbol: string, steps: Steps, time: string): Item[] {
    const from = steps.saidUntil ?? time;
    if (time < from) return [];
    steps.saidUntil = time;
    return [{ kind: 'covered', symbols: [symbol], from, to: time }];
  }

  /** Between where another connection ended and the first trade of this one. */
  function join(symbol: string, steps: Steps): Item[] {
    const { before, first } = steps;
    if (before === undefined || first === undefined) return [];
    steps.before = undefined;
    if (first.id > before.id + 1n) return [missedBetween(symbol, before, first)];
    // Where they overlap each has said what it heard. Both may have missed the same there, which stays missed.
    if (first.time < before.time) return [];
    return [{ kind: 'covered', symbols: [symbol], from: before.time, to: first.time }];
  }

  /** What was told until now and lies between the two is taken back; what lies after it stays. */
  function tear(symbol: string, steps: Steps, last: Mark, next: Mark): Item[] {
    const missed = missedBetween(symbol, last, next);
    const to = later(steps.saidUntil ?? missed.to, missed.to);
    steps.saidUntil = to;
    return [missed, { kind: 'covered', symbols: [symbol], from: missed.to, to }];
  }

  /** Of the newest trade, whether it came or was told of. */
  function know(steps: Steps, mark: Mark): void {
    if (steps.last === undefined) steps.told = mark;
    else steps.last = mark;
  }

  return {
    trade(symbol, mark) {
      const steps = stepsOf(symbol);
      const { last, told } = steps;
      if (last !== undefined && mark.id <= last.id) return [];
      // Said again, it says nothing about what this connection hears: it would cover all from its time until now.
      if (last === undefined && mark.id < (known.get(symbol)?.id ?? mark.id)) return [];
      steps.last = mark;
      if (last === undefined) {
        steps.first = mark;
        const joined = join(symbol, steps);
        const isTorn = joined.some(({ kind }) => kind === 'missed');
        if (!isTorn && told !== undefined && mark.id > told.id + 1n) {
          return [...joined, ...tear(symbol, steps, told, mark)];
        }
        // It may be older or newer than a beat before it. What was missed before it, beats did not hear either.
        const saidUntil = steps.saidUntil ?? mark.time;
        const from = isTorn ? mark.time : earlier(saidUntil, mark.time);
        const to = later(saidUntil, mark.time);
        steps.saidUntil = to;
        return [...joined, { kind: 'covered', symbols: [symbol], from, to }];
      }
      if (mark.id === last.id + 1n) return cover(symbol, steps, mark.time);
      return tear(symbol, steps, last, mark);
    },
    beat(symbol, time, lastId) {
      const steps = stepsOf(symbol);
      const { last, before } = steps;
      if (last === undefined && before !== undefined && before.id === lastId) {
        // Nobody traded since the other connection ended.
        steps.told = { id: lastId, time };
        steps.saidUntil = earlier(before.time, steps.saidUntil ?? before.time);
      }
      const newest = last ?? steps.told;
      if (lastId === null || (newest !== undefined && lastId <= newest.id)) {
        steps.awaited = undefined;
        steps.losses = 0;
        // Nobody traded since: what is missed from now on was missed after this.
        if (newest?.id === lastId) know(steps, { id: newest.id, time: later(newest.time, time) });
        return cover(symbol, steps, time);
      }
      if (newest === undefined) {
        steps.told = { id: lastId, time };
        return cover(symbol, steps, time);
      }
      // It may be on its way: what is still not there at the next beat will not come.
      if (steps.awaited === undefined || steps.awaited <= newest.id) {
        steps.awaited = lastId;
        return [];
      }
      const mark = { id: lastId, time: later(time, newest.time) };
      know(steps, mark);
      steps.awaited = undefined;
      steps.losses += 1;
      return tear(symbol, steps, newest, { ...mark, id: mark.id + 1n });
    },
    recall(marks) {
      known = marks;
    },
    follow(before) {
      return [...before].flatMap(([symbol, mark]) => {
        const steps = stepsOf(symbol);
        steps.before = mark;
        return join(symbol, steps);
      });
    },
    marks: () => new Map([...all].flatMap(([symbol, { last }]) => (last ? [[symbol, last]] : []))),
    first: symbol => all.get(symbol)?.first,
    losses: symbol => all.get(symbol)?.losses ?? 0,
  };
}

/** Trades of one moment are told apart by their ids alone: a gap among them is a microsecond long. */
function missedBetween(symbol: string, last: Mark, next: Mark): Extract<Item, { kind: 'missed' }> {
  const [low, high] = [last.id + 1n, next.id - 1n];
  const from = earlier(last.time, next.time);
  const to = later(next.time, fromEpochMicroseconds(epochMicroseconds(from) + 1));
  const which = low === high ? `trade ${low}` : `trades ${low} to ${high}`;
  return { kind: 'missed', symbols: [symbol], from, to, cause: `${which} did not come` };
}

const earlier = (one: string, other: string): string => (one < other ? one : other);
const later = (one: string, other: string): string => (one > other ? one : other);
