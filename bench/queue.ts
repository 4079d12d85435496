import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Child, startChild } from './child.ts';

/** What went to the queue since it was started. */
export interface RequestCounts {
  readonly sendRequests: number;
  /** Messages of all send requests together. */
  readonly messages: number;
  /** Of all message bodies together. */
  readonly bytes: number;
  /** Receives, deletes and look-ups. */
  readonly otherRequests: number;
}

export interface CountedQueue {
  readonly endpoint: string;
  counts(): Promise<RequestCounts>;
  stop(): Promise<void>;
}

/** Starts an empty SQS emulator behind a counting proxy, in a process of its own. */
export async function startQueue(): Promise<CountedQueue> {
  const dataDir = await mkdtemp(join(tmpdir(), 'foresight-bench-queue-'));
  const remove = () => rm(dataDir, { recursive: true, force: true });
  let child: Child;
  try {
    child = await startChild('bench/queue.main.ts', { PATH: process.env.PATH }, [dataDir]);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    endpoint: (child.ready as { endpoint: string }).endpoint,
    counts: async () => (await child.ask('counts')) as RequestCounts,
    async stop() {
      await child.stop();
      await remove();
    },
  };
}
