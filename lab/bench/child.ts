import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A process that said that it is ready. */
export interface Child {
  readonly pid: number;
  /** The message with which it said so. */
  readonly ready: unknown;
  /** Sends a message, and resolves with the next one that comes back; one question at a time. */
  ask(message: unknown): Promise<unknown>;
  /** SIGTERM, and waits until it is gone. */
  stop(): Promise<void>;
}

const root = join(import.meta.dirname, '..', '..');
/** By how to stop them. */
const running = new Set<() => Promise<void>>();

/** Stops all that still run: those of a part that was interrupted. */
export async function stopChildren(): Promise<void> {
  await Promise.all([...running].map(stop => stop()));
}

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
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await gone;
  };
  running.add(stop);
  void gone.then(() => running.delete(stop));
  const nextMessage = async (): Promise<unknown> => {
    const [message] = await Promise.race([once(child, 'message'), gone.then(() => [undefined])]);
    if (message === undefined) throw new Error(`${program} has ended:\n${log}`);
    return message;
  };
  return {
    ready: await nextMessage(),
    pid: child.pid ?? 0,
    ask(message) {
      const answer = nextMessage();
      child.send(message as object);
      return answer;
    },
    async stop() {
      await stop();
      if (log !== '') process.stderr.write(`${program} said:\n${log}`);
    },
  };
}

/** The environment of our programs: a database, a queue, and nothing of this shell. */
export function childEnv(databaseUrl: string, endpoint: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    DATABASE_URL: databaseUrl,
    AWS_ENDPOINT_URL_SQS: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    LOG_LEVEL: 'warn',
  };
}
