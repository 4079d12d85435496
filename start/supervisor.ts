import {
  chmodSync,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { escapeUnprintable, type Logger, printable } from '../db/runtime/logger.ts';
import { type Child, startChild } from './child.ts';

/** EX_CONFIG: what a process exits with when starting it again cannot help, such as a refused token. */
export const EXIT_CONFIG = 78;

const LOG_LIMIT = 10 * 1024 * 1024;
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/** A process of ours: a script that logs JSON lines and says `process.send({ ready: true })`. */
export interface ProcessSpec {
  readonly name: string;
  /** The script, absolute. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface SuperviseOptions {
  readonly logger: Logger;
  /** Where each process has its log, `<name>.log`. */
  readonly logDir: string;
  /** Shows a line of a process: a warning, an error, or what it printed without being a log line. */
  readonly show: (name: string, line: string) => void;
  /**
   * The processes are started at once and load their modules, but begin only when they are released: with
   * FORESIGHT_HELD in their environment, and the rest of it as a message.
   */
  readonly isHeld?: boolean;
  readonly stopDeadlineMs?: number;
  readonly backOff?: {
    readonly first: number;
    readonly longest: number;
    readonly resetAfter: number;
  };
}

/** Why everything stopped: as asked, or because a process said that going on is pointless. */
export type SuperviseEnd =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'refused'; readonly name: string; readonly reason: string };

export interface Supervision {
  /** Resolves when each process has said once that it is ready; never when they are stopped before. */
  readonly ready: Promise<void>;
  /** Lets those begin that are held, each with these variables besides its own. */
  release(envOf: (name: string) => Readonly<Record<string, string>>): void;
  /** The processes that have not said so yet. */
  notReady(): readonly string[];
  /** Resolves when all processes are gone for good. */
  readonly ended: Promise<SuperviseEnd>;
  /** Ends the processes in reverse order, each with a deadline. */
  stop(): Promise<void>;
  /** Ends them at once. */
  kill(): void;
  /** The running processes by name. */
  pids(): ReadonlyMap<string, number>;
}

/** Starts processes, starts those again that end, and stops all in reverse order. */
export function supervise(
  processes: readonly ProcessSpec[],
  options: SuperviseOptions,
): Supervision {
  makeLogFolder(options.logDir);
  const ended = Promise.withResolvers<SuperviseEnd>();
  let stopping: Promise<void> | undefined;

  const stop = (end: SuperviseEnd) => {
    stopping ??= (async () => {
      for (const keeper of keepers.toReversed()) await keeper.stop();
      ended.resolve(end);
    })();
    return stopping;
  };
  const keepers = processes.map(spec =>
    keep(spec, options, reason => void stop({ kind: 'refused', name: spec.name, reason })),
  );

  return {
    ready: Promise.all(keepers.map(keeper => keeper.ready)).then(() => undefined),
    release: envOf => {
      for (const keeper of keepers) keeper.release(envOf(keeper.name));
    },
    notReady: () => keepers.filter(keeper => !keeper.isReady()).map(keeper => keeper.name),
    ended: ended.promise,
    stop: () => stop({ kind: 'stopped' }),
    kill: () => {
      for (const keeper of keepers) keeper.kill();
    },
    pids: () =>
      new Map(
        keepers.flatMap(keeper => {
          const pid = keeper.pid();
          return pid === undefined ? [] : [[keeper.name, pid] as const];
        }),
      ),
  };
}

interface Keeper {
  readonly name: string;
  readonly ready: Promise<void>;
  isReady(): boolean;
  release(env: Readonly<Record<string, string>>): void;
  stop(): Promise<void>;
  kill(): void;
  pid(): number | undefined;
}

/** Keeps one process running until it is stopped or refuses. */
function keep(
  spec: ProcessSpec,
  options: SuperviseOptions,
  onRefused: (reason: string) => void,
): Keeper {
  const { logger } = options;
  const backOff = options.backOff ?? { first: 500, longest: 10_000, resetAfter: 30_000 };
  const ready = Promise.withResolvers<void>();
  const path = join(options.logDir, `${spec.name}.log`);
  const log = openLog(path, error => logger.warn({ path, err: error }, 'cannot write the log'));
  let delay = backOff.first;
  let child: Child | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isStopping = false;
  let hasBeenReady = false;
  let released: Readonly<Record<string, string>> | undefined = options.isHeld ? undefined : {};

  const start = () => {
    const began = Date.now();
    let lastLine = '';
    const given = released ?? { FORESIGHT_HELD: 'yes' };
    const started = startChild(
      {
        script: spec.script,
        args: spec.args ?? [],
        env: { ...process.env, ...spec.env, ...given },
      },
      line => {
        lastLine = line;
        log.write(line);
        const text = textToShow(line);
        if (text !== undefined) options.show(spec.name, text);
      },
    );
    child = started;
    void started.ready.then(() => {
      hasBeenReady = true;
      ready.resolve();
    });
    void started.gone.then(({ code, signal }) => {
      child = undefined;
      if (isStopping) return;
      if (code === EXIT_CONFIG) return onRefused(messageIn(lastLine));
      if (Date.now() - began >= backOff.resetAfter) delay = backOff.first;
      logger.warn(
        { code, signal, retryInMs: delay },
        `${spec.name} ended (${signal ?? code}), starting it again in ${delay / 1_000} s`,
      );
      timer = setTimeout(start, delay);
      delay = Math.min(delay * 2, backOff.longest);
    });
  };
  start();

  return {
    name: spec.name,
    ready: ready.promise,
    isReady: () => hasBeenReady,
    release: env => {
      released = env;
      child?.tell({ env });
    },
    pid: () => child?.pid,
    kill: () => {
      isStopping = true;
      clearTimeout(timer);
      child?.kill('SIGKILL');
    },
    stop: async () => {
      isStopping = true;
      clearTimeout(timer);
      await end(child, options.stopDeadlineMs ?? 8_000, () =>
        logger.warn(`${spec.name} did not stop in time and was killed`),
      );
      log.close();
    },
  };
}

async function end(child: Child | undefined, deadline: number, onLate: () => void): Promise<void> {
  if (child === undefined) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => {
    onLate();
    child.kill('SIGKILL');
  }, deadline);
  await child.gone;
  clearTimeout(timer);
}

/** What the terminal shows of a line: warnings and worse, and what is no log line, such as a crash. */
export function textToShow(line: string): string | undefined {
  const { level, text } = parse(line);
  const isQuiet = level !== undefined && LEVELS.indexOf(level) < LEVELS.indexOf('warn');
  // JSON keeps what a terminal would obey, escaped; here it is plain again.
  return isQuiet ? undefined : printable(text);
}

function messageIn(line: string): string {
  return printable(parse(line).text);
}

function parse(line: string): { level?: string; text: string } {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== 'object' || entry === null) return { text: line };
    const { level, msg, err, reason } = entry as Record<string, unknown>;
    const fault =
      typeof err === 'object' && err !== null && 'message' in err ? err.message : reason;
    const text = [msg, fault].filter(part => typeof part === 'string' && part !== '').join(': ');
    return { level: levelName(level), text: text || line };
  } catch {
    return { text: line };
  }
}

/** pino writes a level as its label or as its number, 30 for info. */
function levelName(level: unknown): string {
  return typeof level === 'number' ? (LEVELS[level / 10 - 1] ?? 'info') : String(level);
}

/** For our user alone, also one that is there already: a log may tell more than its reader should know. */
export function makeLogFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
}

/** A log file cut at 10 MB. One that cannot be written, on a full disk for instance, must not end what is logged. */
export function openLog(path: string, onFault: (error: unknown) => void) {
  let file: number | undefined;
  let size = 0;
  let isFailing = false;
  const open = () => {
    file = openSync(path, 'a', 0o600);
    size = fstatSync(file).size;
    return file;
  };
  const close = () => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  const append = (line: string) => {
    if (size > LOG_LIMIT) {
      close();
      renameSync(path, `${path}.1`);
    }
    size += writeSync(file ?? open(), `${escapeUnprintable(line)}\n`);
  };
  const write = (line: string) => {
    try {
      append(line);
      isFailing = false;
    } catch (error) {
      if (!isFailing) onFault(error);
      isFailing = true;
    }
  };
  return { write, close };
}
