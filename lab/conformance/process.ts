import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** The service that is looked at: any program, as a shell starts it. */
export interface ServiceProcess {
  /** Starts it, unless it runs. */
  start(): void;
  /** SIGKILL to it and all that it has started, and waits until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; SIGKILL when that takes too long. */
  stop(): Promise<void>;
  /** How often it has ended without having been told to. */
  endings(): number;
  /** The last lines that it wrote, of all its processes. */
  lastWords(): string;
}

const patienceMs = 10_000;
const keptCharacters = 4_000;
const keptLines = 12;

/** @param env All that it is given. It is started where we were, and ends when we do. */
export function createServiceProcess(command: string, env: NodeJS.ProcessEnv): ServiceProcess {
  let child: ChildProcess | undefined;
  let gone: Promise<void> = Promise.resolve();
  let words = '';
  let endings = 0;
  let isEnding = false;

  function end(signal: NodeJS.Signals): void {
    try {
      // A group of its own: a shell and a package manager do not pass a signal on.
      if (child?.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // It is gone already.
    }
  }

  return {
    start() {
      if (child !== undefined) return;
      const started = spawn('sh', ['-c', command], {
        env,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child = started;
      isEnding = false;
      const endWithUs = () => end('SIGKILL');
      process.once('exit', endWithUs);
      for (const stream of [started.stdout, started.stderr]) {
        stream.on('data', (part: Buffer) => {
          words = (words + part.toString()).slice(-keptCharacters);
        });
      }
      gone = new Promise(resolve => {
        started.once('exit', () => {
          // What it has started and left behind.
          end('SIGKILL');
          process.off('exit', endWithUs);
          if (!isEnding) endings += 1;
          child = undefined;
          resolve();
        });
      });
    },
    async kill() {
      isEnding = true;
      end('SIGKILL');
      await gone;
    },
    async stop() {
      isEnding = true;
      end('SIGTERM');
      await Promise.race([gone, sleep(patienceMs, undefined, { ref: false })]);
      end('SIGKILL');
      await gone;
    },
    endings: () => endings,
    lastWords: () => words.trimEnd().split('\n').slice(-keptLines).join('\n'),
  };
}
