import { Logger as GraphileLogger, run, type TaskList } from 'graphile-worker';
import type pg from 'pg';
import type { Logger } from '../db/runtime/logger.ts';

export interface Jobs {
  /** The graphile-worker ids that jobs run under, for the heartbeat. */
  workerIds(): string[];
  stop(): Promise<void>;
}

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
}): Promise<Jobs> {
  const { logger } = options;
  const workerIds = new Set<string>();
  const taskList: TaskList = {};
  for (const [name, task] of Object.entries(options.tasks)) {
    taskList[name] = async () => {
      try {
        await task();
      } catch (error) {
        logger.error({ err: error, task: name }, `task ${name} failed, the next poll tries again`);
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
      if (level === 'error') logger.error({ source: 'graphile-worker' }, message);
      else if (level === 'warning') logger.warn({ source: 'graphile-worker' }, message);
      else logger.trace({ source: 'graphile-worker' }, message);
    }),
  });
  runner.events.on('worker:create', ({ worker }) => workerIds.add(worker.workerId));
  runner.events.on('job:start', ({ worker }) => workerIds.add(worker.workerId));
  return {
    workerIds: () => [...workerIds],
    stop: () => runner.stop(),
  };
}

/** Every second, and at once after a failure of the database is over: is there work nobody was told of? */
export function pollForWork(options: {
  hasWork: () => Promise<boolean>;
  nudge: () => Promise<void>;
  logger: Logger;
  everyMs?: number;
}): () => void {
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    options
      .hasWork()
      .then(hasWork => (hasWork ? options.nudge() : undefined))
      .catch((error: unknown) => options.logger.debug({ err: error }, 'no poll'))
      .finally(() => {
        isBusy = false;
      });
  }, options.everyMs ?? 1_000);
  return () => clearInterval(timer);
}
