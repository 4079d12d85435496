import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../db/runtime/logger.ts';
import {
  type Account,
  canEnter,
  chooseAccount,
  EmbeddedError,
  makeFolder,
  run,
} from './account.ts';
import { choosePort, exists, type Home, homeIn, newPort, prepareCluster } from './cluster.ts';
import { findInstallation, type Installation } from './installation.ts';
import {
  createDatabase,
  isAlive,
  isSameFolder,
  type PidFile,
  probe,
  readPidFile,
  type Server,
  servesFolder,
  startPostmaster,
} from './postmaster.ts';

export { EmbeddedError } from './account.ts';

const SYSTEM_FOLDER = '/var/lib/foresight';
/** How long the rest of an earlier server may take to go away. */
const BUSY_DEADLINE_MS = 30_000;
const SILENT_DEADLINE_MS = 60_000;

export interface EmbeddedOptions {
  readonly dataDir: string;
  readonly logger: Logger;
  /** Of a stopped server: a data folder that is new is a copy of what it holds. */
  readonly preparedDir?: string | undefined;
  /** Called once each time the server is found dead without having been stopped. */
  readonly onCrash?: (pid: number) => void;
}

export interface Embedded {
  /** Stays the same as long as this process lives. */
  readonly url: string;
  readonly pid: number;
  /** The server was running already, left by a process that was killed. */
  readonly adopted: boolean;
  /** The data folder was new, and is a copy of the prepared one. */
  readonly isCopy: boolean;
  /** For example `18.4`. */
  readonly version: string;
  /** Where data, password and log are: `dataDir`, or a system folder when root's server cannot reach that. */
  readonly folder: string;
  readonly logFile: string;
  /** Shuts down in order and waits for it; what ran is rolled back, what was committed is kept. */
  stop(): Promise<void>;
  /** Starts the server again when it has died; says whether it had to. */
  ensureRunning(): Promise<boolean>;
}

/** What does not change while a server comes and goes. */
interface Place {
  readonly home: Home;
  readonly installation: Installation;
  readonly account: Account | undefined;
  readonly password: string;
  readonly isCopy: boolean;
  readonly logger: Logger;
}

/**
 * Starts the embedded PostgreSQL in a data folder, or adopts the one that still runs there. One caller
 * a folder at a time: `start/main.ts` holds a lock for that.
 * @throws {EmbeddedError} one line for the operator.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const place = await findPlace(options);
  const { server, adopted } = await bringUp(place, undefined);
  try {
    await createDatabase(server.port, place.password);
  } catch (error) {
    if (!adopted) await stopServer(place);
    throw error;
  }
  return handle(place, server, adopted, options.onCrash);
}

async function findPlace({ dataDir, preparedDir, logger }: EmbeddedOptions): Promise<Place> {
  const { home, account } = await findHome(resolve(dataDir), logger);
  const installation = await findInstallation({ account, copyInto: home.folder, logger });
  const prepared = await findStopped(preparedDir);
  const cluster = await prepareCluster(home, { installation, account, prepared, logger });
  return { home, installation, account, ...cluster, logger };
}

/** Where a data folder's database can be: in it, or where root's server keeps it when it cannot reach that. */
function homesOf(dataDir: string): { readonly own: Home; readonly outside: Home } {
  const key = createHash('sha256').update(dataDir).digest('hex').slice(0, 12);
  return { own: homeIn(dataDir), outside: homeIn(join(SYSTEM_FOLDER, key)) };
}

async function findStopped(dataDir: string | undefined): Promise<Home | undefined> {
  if (dataDir === undefined) return undefined;
  const { own, outside } = homesOf(resolve(dataDir));
  for (const home of [own, outside]) {
    if ((await exists(home.cluster)) && (await readPidFile(home)) === undefined) return home;
  }
  return undefined;
}

/** Takes away a data folder of which no server runs, wherever its database is. */
export async function removeStopped(dataDir: string): Promise<void> {
  const { own, outside } = homesOf(resolve(dataDir));
  for (const { folder } of [outside, own]) await rm(folder, { recursive: true, force: true });
}

async function findHome(dataDir: string, logger: Logger) {
  const { own, outside } = homesOf(dataDir);
  const account = await chooseAccount([own.cluster, outside.cluster]);
  await makeFolder(dataDir);
  if (await canEnter(dataDir, account)) return { home: own, account };
  await makeFolder(outside.folder);
  logger.info(
    { folder: outside.folder },
    `the database is kept in ${outside.folder}: running as root, its user ${account?.name} cannot reach ${dataDir}`,
  );
  return { home: outside, account };
}

/** Adopts what runs in the data folder, or starts it; `fixedPort` once the port has been given out. */
async function bringUp(
  place: Place,
  fixedPort: number | undefined,
): Promise<{ server: Server; adopted: boolean }> {
  let port = fixedPort ?? (await choosePort(place.home));
  const deadline = Date.now() + BUSY_DEADLINE_MS;
  for (;;) {
    const found = await findRunning(place);
    if (typeof found === 'object') return { server: found, adopted: true };
    const result = await startPostmaster({ ...place, port, impostor: found });
    if (result.kind === 'started') return { server: result.server, adopted: false };
    const reason = result.kind === 'busy' ? result.reason : `port ${port} is taken`;
    if (Date.now() > deadline) {
      throw new EmbeddedError(`the embedded PostgreSQL did not start: ${reason}`);
    }
    if (result.kind === 'port taken' && fixedPort === undefined) port = await newPort(place.home);
    else await sleep(200);
  }
}

/**
 * A server that runs in our folder, once it answers. Otherwise undefined, or the number of a living
 * process that postmaster.pid names and that is something else.
 */
async function findRunning(place: Place): Promise<Server | number | undefined> {
  const { home, password } = place;
  const deadline = Date.now() + SILENT_DEADLINE_MS;
  for (;;) {
    const file = await readPidFile(home);
    if (file === undefined || !isAlive(file.pid)) return undefined;
    if (await isImpostor(file, home)) return file.pid;
    const answer =
      file.port === undefined
        ? ({ kind: 'not yet' } as const)
        : await probe(home, file.port, password);
    if (answer.kind === 'ours' && file.port !== undefined) {
      return { pid: file.pid, port: file.port, version: answer.version };
    }
    if (answer.kind === 'not ours' || Date.now() > deadline) {
      throw new EmbeddedError(
        `process ${file.pid} holds the database folder ${home.cluster} and does not prove to be our server: stop it (kill -INT ${file.pid}), or set FORESIGHT_DATA_DIR`,
      );
    }
    await sleep(100);
  }
}

/** The file came with a copy of another folder, or its process is gone and the number was given out again. */
async function isImpostor(file: PidFile, home: Home): Promise<boolean> {
  if ((await servesFolder(file, home)) === false) return true;
  if (file.folder === undefined || (await isSameFolder(file.folder, home.cluster))) return false;
  return isSameFolder(file.folder, file.folder);
}

function handle(
  place: Place,
  first: Server,
  adopted: boolean,
  onCrash: EmbeddedOptions['onCrash'],
): Embedded {
  let server = first;
  let stopping: Promise<void> | undefined;
  let healing: Promise<boolean> | undefined;

  const heal = async () => {
    if (await isRunning(place, server)) return false;
    if (stopping !== undefined) return false;
    place.logger.error({ pid: server.pid }, 'the embedded PostgreSQL has died; starting it again');
    onCrash?.(server.pid);
    server = (await bringUp(place, first.port)).server;
    place.logger.warn({ pid: server.pid }, 'the embedded PostgreSQL runs again');
    return true;
  };
  const stop = async () => {
    await healing?.catch(() => undefined);
    await stopServer(place);
  };

  return {
    url: `postgres://foresight:${place.password}@127.0.0.1:${first.port}/foresight`,
    adopted,
    isCopy: place.isCopy,
    folder: place.home.folder,
    logFile: place.home.log,
    get pid() {
      return server.pid;
    },
    get version() {
      return server.version;
    },
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
    ensureRunning: () => {
      if (stopping !== undefined) return Promise.resolve(false);
      healing ??= heal().finally(() => {
        healing = undefined;
      });
      return healing;
    },
  };
}

async function isRunning(place: Place, server: Server): Promise<boolean> {
  if (server.child !== undefined) {
    return server.child.exitCode === null && server.child.signalCode === null;
  }
  if (!isAlive(server.pid)) return false;
  const file = await readPidFile(place.home);
  return file?.pid === server.pid && (await servesFolder(file, place.home)) !== false;
}

/** Fast first; a server that cannot finish in time is stopped as if it crashed, which loses nothing either. */
async function stopServer({ home, installation, account, logger }: Place): Promise<void> {
  for (const mode of ['fast', 'immediate']) {
    const args = ['stop', '-w', '-t', '60', '-m', mode, '-D', home.cluster];
    const { code, output } = await run(installation.pgCtl, args, account);
    const file = await readPidFile(home);
    if (code === 0 || file === undefined || !isAlive(file.pid)) return;
    logger.error({ mode, output }, 'the embedded PostgreSQL does not stop');
  }
}
