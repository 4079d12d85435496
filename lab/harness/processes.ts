import { join } from 'node:path';
import { type Child, startChild } from '../../start/child.ts';

/** A process that said that it is ready. */
export interface Process extends Pick<Child, 'ask'> {
  readonly pid: number;
  /** The message with which it said so. */
  readonly ready: unknown;
  /** SIGTERM, and waits until it is gone. */
  stop(): Promise<void>;
}

export const root = join(import.meta.dirname, '..', '..');
/** By how to stop them. */
const running = new Set<() => Promise<void>>();

/** Stops all that still run: those of a part that was interrupted. */
export async function stopProcesses(): Promise<void> {
  await Promise.all([...running].map(stop => stop()));
}

/**
 * Starts one of our programs with exactly this environment; it ends when we do.
 * @throws with what it wrote, when it ends before it is ready.
 */
export async function startProcess(
  program: string,
  env: NodeJS.ProcessEnv,
  args: readonly string[] = [],
): Promise<Process> {
  let log = '';
  const child = startChild({ script: join(root, program), args, env }, line => {
    log += `${line}\n`;
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await child.gone;
  };
  running.add(stop);
  const gone = child.gone.then((): never => {
    running.delete(stop);
    throw new Error(`${program} has ended:\n${log}`);
  });
  gone.catch(() => undefined);
  return {
    ready: await Promise.race([child.ready, gone]),
    pid: child.pid ?? 0,
    ask: message => Promise.race([child.ask(message), gone]),
    async stop() {
      await stop();
      if (log !== '') process.stderr.write(`${program} said:\n${log}`);
    },
  };
}
