import { Logger as GraphileLogger, run, type TaskList } from 'graphile-worker';
import type pg from 'pg';
import type { Logger } from '../db/runtime/logger.ts';

export interface Jobs {
  /** The graphile-worker ids that jobs run under, for the heartbeat. */
  workerIds(): string[];
  /** When a task last began or ended; now while one runs. */
  lastActivity(): number;
  stop(): Promise<void>;
}

/** With work waiting and nudges sent, graphile-worker must begin a task within this time. */
const stuckAfterMs = 15_000;

/**
 * Runs graphile-worker. Jobs are wake-ups: what is left to do stands in tables, so a failed job is
 * logged and not kept for a retry.
 */
export async function runJobs(options: {
  pool: pg.Pool;
  tasks: Record<string, () => Promise<void>>;
  crontab: string;
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
        logger.error({ err: error, task: name }, `task ${name} failed, the next poll tries again`);
      } finally {
        running -= 1;
        activeAt = Date.now();
      }
    };
  }
  const runner = await run({
    pgPool: options.pool,
    taskList,
    crontab: options.crontab,
    concurrency: options.concurrency,
    pollInterval: 2_000,
    noHandleSignals: true,
    logger: new GraphileLogger(() => (level, message) => {
      // It tries again by itself, and the pool has said already that the database is gone.
      const isRetry = /notify listener|UNLISTEN|Cron hit an error/.test(message);
      if (isRetry) logger.debug({ source: 'graphile-worker' }, message);
      else if (level === 'error') logger.error({ source: 'graphile-worker' }, message);
      else if (level === 'warning') logger.warn({ source: 'graphile-worker' }, message);
      else logger.trace({ source: 'graphile-worker' }, message);
    }),
  });
  runner.events.on('worker:create', ({ worker }) => workerIds.add(worker.workerId));
  runner.events.on('job:start', ({ worker }) => workerIds.add(worker.workerId));
  const onEnd = (error: unknown): void => {
    if (!isStopping) options.fail(error);
  };
  runner.promise.then(() => onEnd(new Error('graphile-worker ended by itself')), onEnd);
  return {
    workerIds: () => [...workerIds],
    lastActivity: () => (running > 0 ? Date.now() : activeAt),
    stop() {
      isStopping = true;
      return runner.stop();
    },
  };
}

/**
 * Every second, and at once after a failure of the database is over: is there work nobody was told of?
 *
 * After its connections were ended all at once, graphile-worker 0.18.0 was seen to take no job for
 * ever, without a word: work that waits and is not begun ends the process, and a new one goes on.
 */
export function pollForWork(options: {
  hasWork: () => Promise<boolean>;
  nudge: () => Promise<void>;
  jobs: Jobs;
  fail: (error: unknown) => void;
  logger: Logger;
  everyMs?: number;
}): () => void {
  let waitingSince: number | undefined;
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    options
      .hasWork()
      .then(async hasWork => {
        if (!hasWork) {
          waitingSince = undefined;
          return;
        }
        await options.nudge();
        waitingSince = Math.max(waitingSince ?? Date.now(), options.jobs.lastActivity());
        if (Date.now() - waitingSince > stuckAfterMs) {
          options.fail(new Error('work waits and graphile-worker begins no task'));
        }
      })
      .catch((error: unknown) => options.logger.debug({ err: error }, 'no poll'))
      .finally(() => {
        isBusy = false;
      });
  }, options.everyMs ?? 1_000);
  return () => clearInterval(timer);
}
