import { hostname } from 'node:os';
import { type ServerType, serve } from '@hono/node-server';
import { command } from '../db/runtime/arguments.ts';
import { ConfigError, requireDatabaseUrl, requireSafePage } from '../db/runtime/config.ts';
import {
  type DatabaseOptions,
  openDatabase,
  waitForDatabase,
  within,
} from '../db/runtime/database.ts';
import { SilenceError } from '../db/runtime/errors.ts';
import { type Context, runProcess, startHeartbeat } from '../db/runtime/process.ts';
import { createApp } from './app.ts';
import { createDashboard } from './dashboard.ts';
import { createEvents } from './live/events.ts';
import { createListener, type Listener } from './live/listener.ts';
import { createReader } from './reader.ts';

/** The page says within twice this time that the database is silent. */
const heartbeatInterval = 2_000;

command('start:web', 'Serve the page on HOST and PORT.').parse();

await runProcess('web', async context => {
  const { config, logger, onStop } = context;
  requireSafePage(config);
  const connection = {
    url: requireDatabaseUrl(config),
    process: 'web',
    role: 'foresight_web',
    logger,
    statementTimeout: 5_000,
  };
  const dashboard = createReader({
    open() {
      const sql = openDatabase(connection);
      return { ...createDashboard(sql), close: () => sql.end({ timeout: 1 }) };
    },
    logger,
  });
  onStop(() => dashboard.close());
  const events = createEvents({ dashboard, logger });
  // The page is there before the database is, and listens to one that is there and ours.
  let listener: Listener | undefined;
  void checkDatabase(context, connection)
    .then(() => {
      if (context.signal.aborted) return;
      listener = createListener({
        open: () => openDatabase({ ...connection, process: 'web listener', maxConnections: 1 }),
        logger,
        onNotify: events.notify,
        isNeeded: () => events.streamCount > 0,
      });
    })
    .catch(context.fail);
  onStop(() => listener?.close());

  startHeartbeat(context, dashboard.beat, heartbeatInterval);
  // A database that is down must not keep the process from stopping.
  onStop(() =>
    within(500, dashboard.sayGoodbye(hostname(), process.pid)).catch((error: unknown) =>
      logger.debug({ err: error }, 'no goodbye'),
    ),
  );

  const { access, hosts } = config.page;
  const app = createApp({ dashboard, events, logger, hosts, isBehindProxy: access === 'proxy' });
  const server = await listen(context, app.fetch);
  onStop(() => closeServer(server));
  onStop(() => events.close());
});

/** Waits until the database answers. @throws {ConfigError} when it is not one to show. */
async function checkDatabase({ signal }: Context, connection: DatabaseOptions): Promise<void> {
  while (!signal.aborted) {
    const sql = openDatabase({ ...connection, maxConnections: 1 });
    try {
      return await waitForDatabase(sql, { ...connection, signal });
    } catch (error) {
      if (!(error instanceof SilenceError)) throw error;
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}

/** @throws {ConfigError} when HOST and PORT cannot be listened at: a restart would not help. */
function listen(context: Context, fetch: Parameters<typeof serve>[0]['fetch']) {
  const { host, port } = context.config;
  const { promise, resolve, reject } = Promise.withResolvers<ServerType>();
  const server = serve({ fetch, hostname: host, port }, () => {
    context.logger.info(
      { host, port },
      `listening on http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    );
    resolve(server);
  });
  server.on('error', (error: NodeJS.ErrnoException) => {
    const reasons: Readonly<Record<string, string>> = {
      EADDRINUSE: `PORT ${port} on ${host} is taken by another program`,
      EACCES: `PORT ${port} needs rights that this user does not have`,
      EADDRNOTAVAIL: `HOST ${host} is not an address of this machine`,
      ENOTFOUND: `HOST ${host} is not known`,
    };
    const reason = reasons[error.code ?? ''];
    reject(reason === undefined ? error : new ConfigError(reason));
  });
  return promise;
}

/** Lets answers in progress end, and cuts what is still open after half a second. */
function closeServer(server: ServerType): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    const cut = () => 'closeAllConnections' in server && server.closeAllConnections();
    setTimeout(cut, 500).unref();
  });
}
