import { EventEmitter } from 'node:events';
import {
  Logger as GraphileLogger,
  run,
  type TaskList,
  type WorkerEvents,
  type WorkerPool,
} from 'graphile-worker';
import type pg from 'pg';
import type { Logger } from '../db/runtime/logger.ts';
import { type Context, sleep, startHeartbeat } from '../db/runtime/process.ts';

export interface Jobs {
  /** The graphile-worker ids that jobs run under, for the heartbeat. */
  workerIds(): string[];
  /** When a task last began or ended; now while one runs. */
  lastActivity(): number;
  /** Adds a job for a task. */
  add(task: string): Promise<void>;
  /** Has the workers look for jobs now, as a notification would. */
  wake(): void;
  stop(): Promise<void>;
}

/** The guarantee for work that nobody was told of. */
const beatEveryMs = 2_000;
/** With work waiting and nudges sent, graphile-worker must begin a task within this time. */
const stuckAfterMs = 10_000;

/**
 * So seldom graphile-worker looks by itself for jobs, and for locks of four hours ago: a job comes with a
 * notification, or is found by {@link startWorkHeartbeat}, and ops.reap_workers frees locks.
 */
const seldomMs = 86_400_000;

/**
 * Runs graphile-worker. Jobs are wake-ups: what is left to do stands in tables, so a failed job is
 * logged and not kept for a retry.
 */
export async function runJobs(options: {
  pool: pg.Pool;
  tasks: Record<string, () => Promise<void>>;
  concurrency: number;
  logger: Logger;
  /** Called when graphile-worker ends by itself: without it nothing would be done any more. */
  fail: (error: unknown) => void;
}): Promise<Jobs> {
  const { logger } = options;
  let isStopping = false;
  const workerIds = new Set<string>();
  let running = 0;
  let activeAt = Date.now();
  const taskList: TaskList = {};
  for (const [name, task] of Object.entries(options.tasks)) {
    taskList[name] = async () => {
      running += 1;
      try {
        await task();
      } catch (error) {
        logger.error(
          { err: error, task: name },
          `task ${name} failed, the next heartbeat tries again`,
        );
      } finally {
        running -= 1;
        activeAt = Date.now();
      }
    };
  }
  let workers: WorkerPool | undefined;
  const events: WorkerEvents = new EventEmitter();
  events.on('pool:create', ({ workerPool }) => {
    workers = workerPool;
  });
  events.on('worker:create', ({ worker }) => workerIds.add(worker.workerId));
  const runner = await run({
    pgPool: options.pool,
    taskList,
    crontab: '',
    concurrency: options.concurrency,
    pollInterval: seldomMs,
    minResetLockedInterval: seldomMs,
    maxResetLockedInterval: seldomMs,
    events,
    noHandleSignals: true,
    logger: new GraphileLogger(() => (level, message) => {
      // It tries again by itself, and the pool has said already that the database is gone.
      const isRetry = /notify listener|UNLISTEN|Failed to reset locked/.test(message);
      if (isRetry) logger.debug({ source: 'graphile-worker' }, message);
      else if (level === 'error') logger.error({ source: 'graphile-worker' }, message);
      else if (level === 'warning') logger.warn({ source: 'graphile-worker' }, message);
      else logger.trace({ source: 'graphile-worker' }, message);
    }),
  });
  const onEnd = (error: unknown): void => {
    if (!isStopping) options.fail(error);
  };
  runner.promise.then(() => onEnd(new Error('graphile-worker ended by itself')), onEnd);
  return {
    workerIds: () => [...workerIds],
    lastActivity: () => (running > 0 ? Date.now() : activeAt),
    async add(task) {
      await runner.addJob(task, {}, { jobKey: task, maxAttempts: 1 });
    },
    wake() {
      if (!isStopping) workers?.nudge(options.concurrency);
    },
    stop() {
      isStopping = true;
      return runner.stop();
    },
  };
}

/** A task that waits for more when it is done. */
export interface Lingering {
  /** The task, as graphile-worker runs it. */
  run(): Promise<void>;
  /** Has it run at once; false: none of its jobs waits, it needs a nudge. */
  wake(): boolean;
}

/**
 * While one job's work follows the other's, they need no job each: to add one, to be told of it, to take it and to strike
 * it off takes several statements, and longer than the work of a moment. So a job stays for a while when its task is done.
 *
 * @param options.atMost So many jobs at a time; others do their task and go.
 * @param options.forMs How long it waits for more.
 * @param options.lifeMs After so long a job ends even so: the next one is another.
 */
export function linger(
  task: () => Promise<void>,
  options: { atMost: number; signal: AbortSignal; forMs?: number; lifeMs?: number },
): Lingering {
  const { atMost, signal, forMs = 1_000, lifeMs = 60_000 } = options;
  let jobs = 0;
  const waiting: AbortController[] = [];
  signal.addEventListener('abort', () => {
    for (const job of waiting.splice(0)) job.abort();
  });

  function wake(): boolean {
    const job = waiting.pop();
    job?.abort();
    return job !== undefined;
  }

  /** Says whether it was woken. */
  async function wait(): Promise<boolean> {
    const job = new AbortController();
    waiting.push(job);
    await sleep(forMs, job.signal);
    if (job.signal.aborted) return !signal.aborted;
    waiting.splice(waiting.indexOf(job), 1);
    return false;
  }

  return {
    async run() {
      if (wake()) return;
      const endsAt = performance.now() + lifeMs;
      jobs += 1;
      try {
        do await task();
        while (!signal.aborted && jobs <= atMost && performance.now() < endsAt && (await wait()));
      } finally {
        jobs -= 1;
      }
    },
    wake,
  };
}

/** Milliseconds until there is something to do, 0 or less for now; null: nothing, until something changes. */
type Wait = number | null;

/** What a pass has left behind, and is not told of, is tried again after this time. */
const breathMs = 1_000;
/** While passes follow each other closely, they do what is due anyway. */
const lookEveryMs = 500;
/** So long it mostly takes until what was sent out has come back as work. */
const returningMs = 250;
/** What lies further ahead is heard again by then. */
const farMs = 10_000;

export interface Alarm {
  /** Takes the answer of a heartbeat; says whether there is work now. */
  hear(answer: Promise<Wait>): Promise<boolean>;
  /** After a pass: asks, now or soon, when there is more to do, which nobody tells in a quiet market. */
  lookAhead(): void;
  /** Something was sent out that mostly comes back as work: asks in a moment, and has that done at once. */
  expectWork(): void;
  stop(): void;
}

/** Nudges at the moment at which something is due, by the newest answer of the database. */
export function createAlarm(options: {
  nextWorkIn?: () => Promise<Wait>;
  nudge: () => Promise<void>;
  logger: Logger;
}): Alarm {
  const { nextWorkIn = async () => null, nudge, logger } = options;
  let timer: NodeJS.Timeout | undefined;
  let look: NodeJS.Timeout | undefined;
  let leastMs = breathMs;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let asked = 0;
  let heard = 0;

  /** An answer that was asked for earlier does not overrule one that was asked for later. */
  async function learn(answer: Promise<Wait>, workAfterMs: number): Promise<Wait> {
    const turn = ++asked;
    const wait = await answer;
    if (turn < heard) return wait;
    heard = turn;
    clearTimeout(timer);
    if (wait !== null && wait < farMs) {
      timer = setTimeout(ring, wait > 0 ? Math.ceil(wait) : workAfterMs);
    }
    return wait;
  }

  function ring(): void {
    nudge().catch((error: unknown) => logger.debug({ err: error }, 'no nudge'));
  }

  function lookAfter(delayMs: number): void {
    look ??= setTimeout(
      () => {
        const workAfterMs = leastMs;
        look = undefined;
        leastMs = breathMs;
        lookedAt = Date.now();
        learn(nextWorkIn(), workAfterMs).catch((error: unknown) =>
          logger.debug({ err: error }, 'no look ahead'),
        );
      },
      Math.max(delayMs, lookedAt + lookEveryMs - Date.now()),
    );
  }

  return {
    async hear(answer) {
      const wait = await learn(answer, 0);
      return wait !== null && wait <= 0;
    },
    lookAhead: () => lookAfter(0),
    expectWork() {
      leastMs = 0;
      lookAfter(returningMs);
    },
    stop() {
      heard = Number.POSITIVE_INFINITY;
      clearTimeout(timer);
      clearTimeout(look);
    },
  };
}

/**
 * A heartbeat every two seconds that says whether there is work now.
 *
 * Work that waits from one beat to the next was nudged for in vain: no notification may have come, so
 * graphile-worker is woken directly. After its connections were ended all at once, graphile-worker 0.18.0 was
 * seen to take no job for ever, without a word: work that is not begun at all ends the process, and a new one
 * goes on.
 */
export function startWorkHeartbeat(
  context: Context,
  options: {
    beat: (host: string, processId: number) => Promise<boolean>;
    jobs: Jobs;
  },
): void {
  const { beat, jobs } = options;
  let waitingSince: number | undefined;
  startHeartbeat(
    context,
    async (host, processId) => {
      if (!(await beat(host, processId))) {
        waitingSince = undefined;
        return;
      }
      waitingSince = Math.max(waitingSince ?? Date.now(), jobs.lastActivity());
      const waitedMs = Date.now() - waitingSince;
      if (waitedMs > stuckAfterMs) {
        context.fail(new Error('work waits and graphile-worker begins no task'));
      } else if (waitedMs > beatEveryMs / 2) {
        jobs.wake();
      }
    },
    beatEveryMs,
  );
}
