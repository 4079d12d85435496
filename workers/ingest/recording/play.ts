import { setTimeout as delay } from 'node:timers/promises';
import type { Item, Outside, RepairItem, Source } from '../source.ts';
import { createWanted } from '../wanted.ts';
import { createHide, type Entry, type Head, readGap } from './entries.ts';
import { createStage } from './stage.ts';

export interface PlayOptions {
  readonly entries: AsyncIterable<Entry>;
  /** The source that the recording names, with these around it. */
  readonly create: (head: Head, outside: Required<Outside>) => Promise<Source>;
  /** What the recording has `***` for, as far as it is the same today. */
  readonly secrets: readonly string[];
  /** What the source says. */
  readonly onItem: (item: Item | RepairItem) => void;
  /** After each entry: the source waits. */
  readonly onEntry: (entry: Entry) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface Played {
  readonly sources: readonly string[];
  /** Answers and connections that the source did not ask for again. */
  readonly unheard: number;
  /** Why a source did not go on to the end. */
  readonly faults: readonly string[];
}

/** The longest that a timer of Node's can wait, in milliseconds. */
const FOR_EVER = 2 ** 31 - 1;
/** Whatever a source waits for has happened, and nothing that it could give up comes too late. */
const TIMINGS = {
  ...{ firstBackoff: 0, longestBackoff: 0, settled: 0, refusal: 0, poll: 0, every: 0, look: 1 },
  ...{ answer: FOR_EVER, silence: FOR_EVER, marketSilence: FOR_EVER },
  ...{ lifetime: FOR_EVER, overlap: FOR_EVER },
};
const MOST_QUESTIONS = 1_000;
/** Turns in which a source says what is left to say. */
const LAST_TURNS = 20;

/** Lets sources hear what was recorded of them, in its order, as fast as they take it. */
export async function playRecording(options: PlayOptions): Promise<Played> {
  const names = new Set<string>();
  const faults: string[] = [];
  let unheard = 0;
  let session: Session | undefined;
  const end = async () => {
    if (session === undefined) return;
    const { fault, ...ended } = await session.end();
    unheard += ended.unheard;
    if (fault !== undefined) faults.push(fault);
    session = undefined;
  };
  try {
    for await (const entry of options.entries) {
      if (options.signal.aborted) break;
      if ('recording' in entry && entry.session !== session?.id) {
        await end();
        names.add(entry.source);
        session = await begin(entry, options);
      }
      await session?.play(entry);
      await options.onEntry(entry);
    }
  } finally {
    await end();
  }
  return { sources: [...names], unheard, faults };
}

/** What one process heard. */
interface Session {
  readonly id: string;
  readonly play: (entry: Entry) => Promise<void>;
  readonly end: () => Promise<{ readonly unheard: number; readonly fault: string | undefined }>;
}

async function begin(head: Head, { create, secrets, onItem }: PlayOptions): Promise<Session> {
  const stage = createStage(createHide(secrets));
  const source = await create(head, { network: stage.network, timings: TIMINGS });
  const stop = new AbortController();
  const { signal } = stop;
  const wanted = createWanted();
  const tasks: Promise<void>[] = [];
  let isFollowed = false;
  let fault: string | undefined;

  async function follow(): Promise<void> {
    try {
      for await (const item of source.follow({ signal, wanted: wanted.current })) onItem(item);
    } catch (error) {
      fault = (error as Error).message;
      stop.abort();
    }
  }

  async function repair(entry: Extract<Entry, { repair: unknown }>): Promise<void> {
    const asked = { signal, budget: MOST_QUESTIONS };
    try {
      for await (const item of source.repair?.(readGap(entry.repair), asked) ?? []) onItem(item);
    } catch {
      // As it did when it was recorded: what it had said before is said.
    }
  }

  return {
    id: head.session,
    async play(entry) {
      // It ended when it was recorded, too, or cannot go on today.
      if (signal.aborted) return;
      if ('wanted' in entry) {
        wanted.change(entry.wanted, new Map());
        if (!isFollowed) tasks.push(follow());
        isFollowed = true;
      }
      if ('repair' in entry) tasks.push(repair(entry));
      const poke = () => wanted.change(wanted.current().symbols, new Map());
      await stage.play(entry, poke);
    },
    async end() {
      for (let turn = 0; turn < LAST_TURNS && !signal.aborted; turn++) await delay(1);
      stop.abort();
      await Promise.all(tasks);
      return { unheard: stage.unheard(), fault };
    },
  };
}
