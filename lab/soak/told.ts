import { setTimeout as sleep } from 'node:timers/promises';

/** What the system said of itself at one moment. */
export interface Observation {
  /** When it was asked and when the answer was there, in milliseconds since 1970. */
  readonly askedAt: number;
  readonly at: number;
  readonly faults: readonly string[];
  readonly lag: Readonly<Record<string, number | null>>;
  readonly queues: Readonly<Record<string, number | null>>;
  /** Absent: the page's process gave no answer. */
  readonly readyz: string | undefined;
}

/** How a fault shows. */
export interface Signs {
  /** In ops.status and in the answer of /readyz. */
  readonly fault?: RegExp;
  /** The step of ops.lag that falls behind. */
  readonly step?: string;
  /** The subscription of ops.queues that waits. */
  readonly queue?: string;
  /** How long it may go on without being told; absent: fifteen seconds. */
  readonly withinMs?: number;
}

export const views = ['ops.status', '/readyz', 'ops.lag', 'ops.queues'] as const;
export type View = (typeof views)[number];

/** From when to when a fault really held, in milliseconds since 1970. */
export interface Held {
  readonly from: number;
  readonly to: number;
}

export interface Telling {
  /**
   * `missed`: it held for long enough, and somebody asked and was told nothing. `brief`: it ended before it had
   * to be told, and was not. `unseen`: nobody could ask.
   */
  readonly told: 'shown' | 'missed' | 'brief' | 'unseen';
  /** Of each view that told it: after how many milliseconds. */
  readonly after: ReadonlyMap<View, number>;
  /** What ops.status said last while it held. */
  readonly said: string;
}

const usualMs = 15_000;
/** The system is asked once a second, and an answer takes a moment. */
const toAskMs = 500;
/** Somebody who is late by no more than this has told it. */
const graceMs = 3_500;
/** What waits longer than this is more than on its way. */
const lagSeconds = 5;

/**
 * Lets a fault hold for so long, or until `holds` says that another one has ended it: a server that was killed
 * keeps no lock, and a process that was started again listens anew.
 *
 * @param waitsSince Of a fault that shows only by what it holds up: since when the oldest of that waits, in
 * milliseconds since 1970; undefined: nothing waits. It has held from then on, though not from before anybody
 * could see that, and without anything that waits not at all.
 */
export async function hold(
  ms: number,
  holds: () => boolean,
  waitsSince: () => Promise<number | undefined> = async () => 0,
): Promise<Held> {
  const begin = Date.now();
  let to = begin;
  let from: number | undefined;
  let isOver = false;
  const look = async (): Promise<void> => {
    // What a transaction marked that went on is seen when it has ended.
    for (let unseenAt = begin; !isOver; await sleep(200)) {
      const askedAt = Date.now();
      try {
        const since = await waitsSince();
        if (isOver || !holds()) return;
        if (since === undefined) unseenAt = askedAt;
        from = since === undefined ? undefined : Math.max(since, unseenAt);
      } catch {
        // A server that is away says nothing.
      }
    }
  };
  void look();
  // The last moment at which it was seen to hold, not the first at which it was not.
  while (holds() && to < begin + ms) {
    await sleep(Math.min(50, begin + ms - to));
    if (holds()) to = Date.now();
  }
  isOver = true;
  return { from: Math.min(from ?? to, to), to };
}

/** Whether a fault was told while it held, by the observations of then. */
export function judgeTelling(
  observations: readonly Observation[],
  signs: Signs,
  { from, to }: Held,
): Telling {
  const { withinMs = usualMs } = signs;
  const during = observations.filter(
    ({ at }) => at >= from && at <= Math.min(to, from + withinMs + graceMs),
  );
  const after = new Map<View, number>();
  for (const view of views) {
    const first = during.find(seen => shows(view, signs, seen));
    if (first !== undefined) after.set(view, first.at - from);
  }
  const wanted: View = signs.fault === undefined ? 'ops.queues' : 'ops.status';
  const due = from + withinMs + toAskMs;
  const told = after.has(wanted)
    ? 'shown'
    : to < due
      ? 'brief'
      : // One that was asked before and answered later says nothing.
        during.some(({ askedAt }) => askedAt >= due)
        ? 'missed'
        : 'unseen';
  return { told, after, said: during.at(-1)?.faults.join('; ') ?? '' };
}

export function shows(view: View, { fault, step, queue }: Signs, seen: Observation): boolean {
  switch (view) {
    case 'ops.status':
      return fault !== undefined && seen.faults.some(each => fault.test(each));
    case '/readyz':
      return fault?.test(seen.readyz ?? '') ?? false;
    case 'ops.lag':
      return step !== undefined && (seen.lag[step] ?? 0) > lagSeconds;
    case 'ops.queues':
      return queue !== undefined && (seen.queues[queue] ?? 0) > lagSeconds;
  }
}
