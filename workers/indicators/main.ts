import { hostname } from 'node:os';
import { InvalidArgumentError } from 'commander';
import { command } from '../../db/runtime/arguments.ts';
import { requireDatabaseUrl } from '../../db/runtime/config.ts';
import { openDatabase, openPgPool, waitForDatabase } from '../../db/runtime/database.ts';
import { type Context, runProcess } from '../../db/runtime/process.ts';
import { createAlarm, linger, runJobs, startWorkHeartbeat } from '../jobs.ts';
import { openQueue } from '../queue.ts';
import { watchCalls } from '../watch.ts';
import { catalog, services, sqlService } from './catalog.ts';
import { consume } from './consumer.ts';
import { createSandbox, createSqlComputation, sandboxTimeoutMs } from './sandbox.ts';
import { createHeart, createServiceStore, createSqlKindStore, type Service } from './service.ts';
import { computeValuesTask, maxRuns } from './tasks/compute_values.ts';

/** A window of candles is read in milliseconds. */
const statementTimeout = 20_000;

const all = [...services, sqlService];
const names = all.map(each => each.service).join(', ');
const { service: served = all } = command(
  'start:indicators',
  'Compute the indicators of one or several services.',
)
  .option('--service <name>', `one of ${names}; may be repeated, without it all`, add)
  .parse()
  .opts<{ service?: readonly Service[] }>();

function add(name: string, chosen: readonly Service[] = []): readonly Service[] {
  const service = all.find(each => each.service === name);
  if (service === undefined) throw new InvalidArgumentError(`It must be one of ${names}.`);
  return [...chosen.filter(each => each !== service), service];
}

async function start(context: Context): Promise<void> {
  const { config, logger, onStop, signal } = context;
  const connection = {
    url: requireDatabaseUrl(config),
    process: 'indicators',
    role: 'foresight_indicators',
    statementTimeout,
    logger,
  };
  const sql = openDatabase(connection);
  onStop(() => sql.end({ timeout: 2 }));
  await waitForDatabase(sql, { ...connection, signal });
  if (signal.aborted) return;
  // Enough that no service takes all of them.
  const concurrency = maxRuns * served.length;
  const pool = openPgPool({
    ...connection,
    maxConnections: Math.max(4, concurrency),
    flushes: false,
  });
  onStop(() => pool.end());
  // What operators' functions hold up is none of ours.
  const sandbox = openPgPool({
    ...connection,
    process: 'sandbox',
    statementTimeout: sandboxTimeoutMs,
    maxConnections: 2,
  });
  onStop(() => sandbox.end());
  const queue = openQueue({ region: config.awsRegion, endpoint: config.sqsEndpoint });
  onStop(() => queue.close());

  const watch = { deadlineMs: statementTimeout + 2_000, onHang: context.fail };
  const stores = served.map(service => ({
    ...service,
    store: watchCalls(createServiceStore(sql, service.service), watch),
  }));
  const heart = watchCalls(createHeart(sql, served), watch);
  const sqlKinds = watchCalls(createSqlKindStore(sql), watch);
  const computeSqlValues = createSqlComputation(createSandbox(sandbox), sqlKinds);
  if (served.includes(sqlService)) {
    // Of a process that is no more; once more, for what it began just before its end.
    await sqlKinds.endEvaluations();
    const again = setTimeout(() => {
      sqlKinds
        .endEvaluations()
        .catch((err: unknown) => logger.warn({ err }, 'what was left running is not ended'));
    }, 3_000);
    onStop(() => clearTimeout(again));
  }
  const alarm = createAlarm({
    nextWorkIn: heart.nextWorkIn,
    nudge: async () => void (await Promise.all(computing.map(({ wake }) => wake()))),
    logger,
  });
  onStop(() => alarm.stop());
  const computing = stores.map(({ store, ...service }) => {
    const task = linger(
      computeValuesTask({
        service: service.service,
        store,
        kinds: catalog,
        ...(service.service === sqlService.service ? { compute: computeSqlValues } : {}),
        logger,
        signal,
        onRest: alarm.lookAhead,
      }),
      { atMost: maxRuns, signal },
    );
    return {
      service,
      store,
      run: task.run,
      wake: async () => {
        if (!task.wake()) await store.nudge();
      },
    };
  });
  const jobs = await runJobs({
    pool,
    tasks: Object.fromEntries(
      computing.map(({ service, run }) => [`compute_values.${service.service}`, run]),
    ),
    concurrency,
    logger,
    fail: context.fail,
  });
  onStop(() => jobs.stop());

  for (const { service, store, wake } of computing) {
    onStop(
      consume({
        queue,
        queueName: await store.register(service),
        logger,
        signal,
        handle: async candles => {
          const accepted = await store.acceptCandles(candles);
          if (accepted > 0) await wake();
        },
        refuse: store.setAside,
      }),
    );
  }

  onStop(() => sql`select ops.say_goodbye('indicators', ${hostname()}, ${process.pid})`);
  startWorkHeartbeat(context, {
    jobs,
    beat: (host, processId) => alarm.hear(heart.beat(host, processId, jobs.workerIds())),
  });
}

await runProcess('indicators', start);
