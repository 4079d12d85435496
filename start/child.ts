import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A Node script to start as a process. */
export interface ChildSpec {
  /** Absolute. */
  readonly script: string;
  readonly args?: readonly string[];
  /** All of it: nothing of ours is added. */
  readonly env: NodeJS.ProcessEnv;
}

/** How a process ended; both null when it could not even be started. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process of ours, which says `process.send({ ready: true })` or what else is to be known of it first. */
export interface Child {
  readonly pid: number | undefined;
  /** Resolves with the first message; never when it ends before. */
  readonly ready: Promise<unknown>;
  /** Resolves when it is gone and all that it wrote was handed over; never fails. */
  readonly gone: Promise<ChildEnd>;
  isGone(): boolean;
  kill(signal: NodeJS.Signals): void;
  /** Sends a message; one that comes too late is lost. */
  tell(message: object): void;
  /**
   * Sends a message, and resolves with the next one that comes back; one question at a time.
   * @throws when it ends before it has answered.
   */
  ask(message: object): Promise<unknown>;
}

/**
 * Starts a script; it is told of our death by its channel. A group of its own: Ctrl-C in the terminal
 * reaches us alone, and we stop the others in order.
 *
 * @param onLine Is given each line that is not empty, of standard output and standard error.
 */
export function startChild(spec: ChildSpec, onLine: (line: string) => void): Child {
  const { script, args = [], env } = spec;
  const child: ChildProcess = spawn(process.execPath, [script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env,
    detached: process.platform !== 'win32',
  });
  const take = (line: string): void => {
    if (line.trim() !== '') onLine(line);
  };
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on('line', take);
  }
  const ready = Promise.withResolvers<unknown>();
  child.once('message', ready.resolve);
  const gone = Promise.withResolvers<ChildEnd>();
  let isGone = false;
  const end = (code: number | null, signal: NodeJS.Signals | null): void => {
    isGone = true;
    gone.resolve({ code, signal });
  };
  child.on('error', error => {
    // Else it is of a message or a signal that came too late.
    if (child.pid !== undefined) return;
    take(error.message);
    end(null, null);
  });
  // A grandchild may hold the pipes open for ever, so not longer than a moment after the exit.
  child.on('exit', (code, signal) => setTimeout(end, 1_000, code, signal));
  child.on('close', end);
  return {
    pid: child.pid,
    ready: ready.promise,
    gone: gone.promise,
    isGone: () => isGone,
    kill: signal => {
      child.kill(signal);
    },
    tell: message => {
      if (child.connected) child.send(message);
    },
    ask: message =>
      new Promise((resolve, reject) => {
        child.once('message', resolve);
        void gone.promise.then(() => reject(new Error(`${script} has ended`)));
        child.send(message);
      }),
  };
}
