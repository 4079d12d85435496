import { freePort } from '../../start/embedded/cluster.ts';
import { workerEnvironment } from '../../tests/support/system.ts';
import { type Process, startProcess } from '../harness/processes.ts';
import { type CountedQueue, startQueue } from '../harness/queue.ts';
import { createRoster } from '../harness/roster.ts';
import { usageOf } from './usage.ts';

/** Those of the roster, with a source of our own. */
const programs = new Map(
  createRoster().programs.map(program => [
    program.name,
    program.name === 'ingest' ? { ...program, script: 'lab/bench/load.main.ts' } : program,
  ]),
);
/** Of every process, in the order in which they are started. */
export const processNames = [...programs.keys()];
/** Of those that compute. */
export const serviceNames = createRoster()
  .roles.filter(({ isService }) => isService)
  .map(({ name }) => name);

/** Running processes and their queue. */
export interface System {
  readonly queue: CountedQueue;
  readonly children: ReadonlyMap<string, Process>;
  /** Starts one more, or the same again after {@link System.end}. */
  start(name: string): Promise<Process>;
  end(name: string): Promise<void>;
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
    readonly processes: readonly string[];
    readonly urlOf: (name: string) => string;
    readonly inspects?: boolean;
  },
  use: (system: System) => Promise<Result>,
): Promise<Result> {
  const queue = await startQueue({ inspects: parts.inspects ?? false });
  const closers: (() => Promise<void>)[] = [() => queue.stop()];
  const children = new Map<string, Process>();
  const end = async (name: string): Promise<void> => {
    const child = children.get(name);
    children.delete(name);
    await child?.stop();
  };
  const start = async (name: string): Promise<Process> => {
    const env = {
      ...workerEnvironment(parts.urlOf(name), queue.endpoint),
      ...(name === 'web' ? { PORT: String(await freePort()) } : {}),
    };
    const program = programs.get(name);
    if (program === undefined) throw new Error(`there is no process ${name}`);
    const child = await startProcess(program.script, env, program.args);
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
    ...[...children].map(([name, child]) => [name, child.pid] as const),
    ['queue', queue.pid] as const,
  ];
  return new Map(
    await Promise.all(pids.map(async ([name, pid]) => [name, await usageOf(pid)] as const)),
  );
}
