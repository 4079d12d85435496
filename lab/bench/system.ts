import { freePort } from '../../start/embedded/cluster.ts';
import { workerEnvironment } from '../../tests/support/system.ts';
import { type Process, startProcess } from '../harness/processes.ts';
import { type CountedQueue, startQueue } from '../harness/queue.ts';
import { usageOf } from './usage.ts';

const programs = {
  ingest: 'lab/bench/load.main.ts',
  upkeep: 'workers/upkeep/main.ts',
  publish: 'workers/publish/main.ts',
  indicators: 'workers/indicators/main.ts',
  web: 'web/main.ts',
};
export type ProcessName = keyof typeof programs;

/** Running processes and their queue. */
export interface System {
  readonly queue: CountedQueue;
  readonly children: ReadonlyMap<ProcessName, Process>;
  /** Starts one more, or the same again after {@link System.end}. */
  start(name: ProcessName): Promise<Process>;
  end(name: ProcessName): Promise<void>;
  /** The last started first; also after a failure. */
  onStop(close: () => Promise<void>): void;
}

/**
 * Starts a queue and these processes, and stops all of them after `use`, whatever happens.
 *
 * @param urlOf The database as a process sees it.
 */
export async function withSystem<Result>(
  parts: {
    readonly processes: readonly ProcessName[];
    readonly urlOf: (name: ProcessName) => string;
    readonly inspects?: boolean;
  },
  use: (system: System) => Promise<Result>,
): Promise<Result> {
  const queue = await startQueue({ inspects: parts.inspects ?? false });
  const closers: (() => Promise<void>)[] = [() => queue.stop()];
  const children = new Map<ProcessName, Process>();
  const end = async (name: ProcessName): Promise<void> => {
    const child = children.get(name);
    children.delete(name);
    await child?.stop();
  };
  const start = async (name: ProcessName): Promise<Process> => {
    const env = {
      ...workerEnvironment(parts.urlOf(name), queue.endpoint),
      ...(name === 'web' ? { PORT: String(await freePort()) } : {}),
    };
    const child = await startProcess(programs[name], env);
    children.set(name, child);
    closers.push(() => end(name));
    return child;
  };
  try {
    for (const name of parts.processes) await start(name);
    return await use({ queue, children, start, end, onStop: close => closers.push(close) });
  } finally {
    for (const close of closers.reverse()) {
      await close().catch(error => process.stderr.write(`could not stop: ${error}\n`));
    }
  }
}

/** CPU seconds and memory of each process, the queue's among them. */
export async function systemUsage({ queue, children }: System) {
  const pids = [
    ...[...children].map(([name, child]) => [name as string, child.pid] as const),
    ['queue', queue.pid] as const,
  ];
  return new Map(
    await Promise.all(pids.map(async ([name, pid]) => [name, await usageOf(pid)] as const)),
  );
}
