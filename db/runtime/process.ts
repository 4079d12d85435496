import { hostname } from 'node:os';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { isLostConnection, isPassing } from './errors.ts';
import { createLogger, hideCredentials, type Logger, oneLine } from './logger.ts';

/** What a process is given by {@link runProcess}. */
export interface Context {
  readonly config: Config;
  readonly logger: Logger;
  /** Aborts when the process is asked to stop. */
  readonly signal: AbortSignal;
  /** Registers what closes a thing that was opened; the last opened is closed first. */
  readonly onStop: (close: () => unknown) => void;
  /** Stops the process with an error. */
  readonly fail: (error: unknown) => void;
  /** Stops the process in order: a command has done what it was asked to. */
  readonly finish: () => void;
}

/** An error after which a restart cannot help: the supervisor does not try one (EX_CONFIG). */
export const exitForConfig = 78;

/**
 * The life of one process: reads the configuration, starts, says that it is ready, and closes what
 * was opened in reverse order on SIGTERM, SIGINT or the death of its supervisor.
 *
 * @param isHopeless Errors that no restart can cure, reported as one line with exit code 78.
 */
export async function runProcess(
  name: string,
  start: (context: Context) => Promise<void>,
  isHopeless: (error: unknown) => boolean = () => false,
): Promise<void> {
  const closers: (() => unknown)[] = [];
  const stopping = new AbortController();
  let logger = createLogger(name, 'info');

  const stop = async (exitCode: number): Promise<void> => {
    if (stopping.signal.aborted) return;
    process.exitCode = exitCode;
    stopping.abort();
    // A close that hangs must not keep a stopped process alive.
    setTimeout(() => process.exit(), 7_000).unref();
    // What is being opened now has to be open before it can be closed.
    await Promise.race([starting, sleep(3_000)]);
    for (const close of closers.reverse()) {
      try {
        await close();
      } catch (error) {
        logger.warn({ err: error }, 'could not close');
      }
    }
    if (exitCode === 0) logger.info('stopped');
    process.exit();
  };
  const fail = (error: unknown): void => {
    if (stopping.signal.aborted) return;
    if (error instanceof ConfigError || isHopeless(error)) {
      process.stderr.write(`foresight ${name}: ${oneLine((error as Error).message)}\n`);
      void stop(exitForConfig);
      return;
    }
    const message = hideCredentials((error as Error)?.message ?? String(error));
    if (isPassing(error)) logger.fatal(`the database is away or busy: ${message}`);
    else logger.fatal({ err: error }, message);
    void stop(1);
  };

  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(0));
  process.once('disconnect', () => void stop(0));
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', error => {
    // postgres.js 3.4.9 tells nobody when a connection ends while it asks for the array types.
    if (isLostConnection(error)) logger.warn(`database connection lost: ${oneLine(String(error))}`);
    else fail(error);
  });

  let started = (): void => undefined;
  const starting = new Promise<void>(resolve => {
    started = resolve;
  });
  try {
    await takeEnvironment(stopping.signal);
    if (stopping.signal.aborted) return;
    const config = loadConfig();
    logger = createLogger(name, config.logLevel);
    await start({
      config,
      logger,
      signal: stopping.signal,
      onStop: close => closers.push(close),
      fail,
      finish: () => void stop(0),
    });
    if (!stopping.signal.aborted) {
      process.send?.({ ready: true });
      logger.info('ready');
    }
  } catch (error) {
    fail(error);
  } finally {
    started();
  }
}

/**
 * A supervisor may start us before it knows where our database is, so that we are loaded by then: it says so
 * with FORESIGHT_HELD, and sends the rest of our environment when it does.
 */
async function takeEnvironment(signal: AbortSignal): Promise<void> {
  if (process.env.FORESIGHT_HELD === undefined || process.send === undefined) return;
  delete process.env.FORESIGHT_HELD;
  const told = Promise.withResolvers<unknown>();
  process.once('message', told.resolve);
  signal.addEventListener('abort', told.resolve, { once: true });
  const { env } = (await told.promise) as { env?: NodeJS.ProcessEnv };
  Object.assign(process.env, env);
}

/**
 * Calls `beat` now and again and again, so that `ops.status` knows that the process lives. One is under way at
 * a time: beats do not pile up while the database is silent, and go on at once when it is not.
 */
export function startHeartbeat(
  context: Context,
  beat: (host: string, processId: number) => Promise<unknown>,
  everyMs = 5_000,
): void {
  let newest: Promise<unknown> | undefined;
  const tick = (): void => {
    newest ??= beat(hostname(), process.pid)
      .catch((error: unknown) => context.logger.debug({ err: error }, 'no heartbeat'))
      .finally(() => {
        newest = undefined;
      });
  };
  tick();
  const timer = setInterval(tick, everyMs);
  context.onStop(() => {
    clearInterval(timer);
    // One that is under way could reach the database after the goodbye.
    return Promise.race([newest, sleep(1_000)]);
  });
}

/** Waits, or returns early when the signal aborts. */
export async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return;
  await new Promise<void>(resolve => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener('abort', done, { once: true });
  });
}
