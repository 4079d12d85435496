import { hostname } from 'node:os';
import { InvalidArgumentError } from 'commander';
import { command } from '../../db/runtime/arguments.ts';
import { requireDatabaseUrl } from '../../db/runtime/config.ts';
import { openDatabase, openPgPool, waitForDatabase } from '../../db/runtime/database.ts';
import { type Context, runProcess } from '../../db/runtime/process.ts';
import { createAlarm, runJobs, startWorkHeartbeat } from '../jobs.ts';
import { openQueue } from '../queue.ts';
import { watchCalls } from '../watch.ts';
import { catalog, services } from './catalog.ts';
import { consume } from './consumer.ts';
import { createHeart, createServiceStore, type Service } from './service.ts';
import { computeValuesTask } from './tasks/compute_values.ts';

/** A window of candles is read in milliseconds. */
const statementTimeout = 20_000;

const names = services.map(each => each.service).join(', ');
const { service: served = services } = command(
  'start:indicators',
  'Compute the indicators of one or several services.',
)
  .option('--service <name>', `one of ${names}; may be repeated, without it all`, add)
  .parse()
  .opts<{ service?: readonly Service[] }>();

function add(name: string, chosen: readonly Service[] = []): readonly Service[] {
  const service = services.find(each => each.service === name);
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
  const pool = openPgPool(connection);
  onStop(() => pool.end());
  const queue = openQueue({ region: config.awsRegion, endpoint: config.sqsEndpoint });
  onStop(() => queue.close());

  const watch = { deadlineMs: statementTimeout + 2_000, onHang: context.fail };
  const stores = served.map(service => ({
    ...service,
    store: watchCalls(createServiceStore(sql, service.service), watch),
  }));
  const heart = watchCalls(createHeart(sql, served), watch);
  const jobs = await runJobs({
    pool,
    tasks: Object.fromEntries(
      stores.map(({ service, store }) => [
        `compute_values.${service}`,
        computeValuesTask({ service, store, kinds: catalog, logger, signal }),
      ]),
    ),
    // Enough that no service takes all of them.
    concurrency: 2 * stores.length,
    logger,
    fail: context.fail,
  });
  onStop(() => jobs.stop());
  const alarm = createAlarm({
    nudge: async () => void (await Promise.all(stores.map(({ store }) => store.nudge()))),
    logger,
  });
  onStop(() => alarm.stop());

  for (const { store, ...service } of stores) {
    onStop(
      consume({
        queue,
        queueName: await store.register(service),
        logger,
        signal,
        handle: async candles => {
          const accepted = await store.acceptCandles(candles);
          if (accepted > 0) await store.nudge();
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
