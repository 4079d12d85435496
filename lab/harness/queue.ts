import { startProcess } from './processes.ts';

/** What was sent to one queue. */
export interface SendCounts {
  readonly requests: number;
  readonly messages: number;
  /** Of the bodies. */
  readonly bytes: number;
  /** Candles in them; counted only by a queue that inspects. */
  readonly candles: number;
  /** Candles that said again what was sent before, but for their revision; only by one that inspects. */
  readonly repeats: number;
}

/** What went to the emulator since it was started. */
export interface RequestCounts {
  readonly queues: Readonly<Record<string, SendCounts>>;
  /** Receives, deletes and look-ups. */
  readonly otherRequests: number;
}

export interface CountedQueue {
  readonly endpoint: string;
  /** Of the emulator. */
  readonly pid: number;
  counts(): Promise<RequestCounts>;
  stop(): Promise<void>;
}

export const noCounts: SendCounts = { requests: 0, messages: 0, bytes: 0, candles: 0, repeats: 0 };

/**
 * Starts an empty SQS emulator that counts, in a process of its own.
 *
 * @param inspects Reads every body too, which costs it time: not where latency is measured.
 */
export async function startQueue({ inspects = false } = {}): Promise<CountedQueue> {
  const env = { PATH: process.env.PATH };
  const args = inspects ? ['inspect'] : [];
  const server = await startProcess('lab/harness/queue.main.ts', env, args);
  return {
    endpoint: (server.ready as { endpoint: string }).endpoint,
    pid: server.pid,
    counts: async () => (await server.ask({})) as RequestCounts,
    stop: server.stop,
  };
}

/** All queues together. */
export function totalOf({ queues }: RequestCounts): SendCounts {
  return Object.values(queues).reduce((sum, each) => combine(sum, each, (a, b) => a + b), noCounts);
}

export function combine(
  one: SendCounts,
  other: SendCounts,
  how: (a: number, b: number) => number,
): SendCounts {
  return {
    requests: how(one.requests, other.requests),
    messages: how(one.messages, other.messages),
    bytes: how(one.bytes, other.bytes),
    candles: how(one.candles, other.candles),
    repeats: how(one.repeats, other.repeats),
  };
}
