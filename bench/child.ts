import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A process that said that it is ready. */
export interface Child {
  /** The message with which it said so. */
  readonly ready: unknown;
  /** Sends a message, and resolves with the next one that comes back. */
  ask(message: string): Promise<unknown>;
  /** Bytes of memory at most so far; NaN where the system does not tell. */
  peakMemory(): number;
  /** Seconds of processor time so far; NaN where the system does not tell. */
  cpuSeconds(): number;
  /** SIGTERM, and waits until it is gone. */
  stop(): Promise<void>;
}

const root = join(import.meta.dirname, '..');

/**
 * Starts one of our programs with exactly this environment; it ends when we do.
 * @throws with what it wrote to standard error, when it ends before it is ready.
 */
export async function startChild(
  program: string,
  env: NodeJS.ProcessEnv,
  args: readonly string[] = [],
): Promise<Child> {
  const child: ChildProcess = spawn(process.execPath, [join(root, program), ...args], {
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const gone = once(child, 'close');
  const nextMessage = async (): Promise<unknown> => {
    const [message] = await Promise.race([once(child, 'message'), gone.then(() => [undefined])]);
    if (message === undefined) throw new Error(`${program} has ended:\n${log}`);
    return message;
  };
  return {
    ready: await nextMessage(),
    ask(message) {
      const answer = nextMessage();
      child.send(message);
      return answer;
    },
    peakMemory() {
      const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readProc(child, 'status')) ?? [];
      return Number(kilobytes) * 1_024;
    },
    cpuSeconds() {
      // After the name, which may hold spaces: field 14 and 15 are ticks of a hundredth of a second.
      const fields = readProc(child, 'stat').split(') ').at(-1)?.split(' ') ?? [];
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    async stop() {
      child.kill('SIGTERM');
      await gone;
      if (log !== '') process.stderr.write(`${program} said:\n${log}`);
    },
  };
}

/** Starts one of the real workers against a database and a queue. */
export function startWorker(
  name: 'publish' | 'indicators',
  databaseUrl: string,
  endpoint: string,
): Promise<Child> {
  return startChild(`workers/${name}/main.ts`, {
    PATH: process.env.PATH,
    DATABASE_URL: databaseUrl,
    AWS_ENDPOINT_URL_SQS: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    LOG_LEVEL: 'warn',
  });
}

function readProc({ pid }: ChildProcess, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
