import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError, Option } from 'commander';
import { command, readFileName, readNumber } from '../db/runtime/arguments.ts';
import { type Config, ConfigError, loadConfig, type Passwords } from '../db/runtime/config.ts';
import { openDatabase } from '../db/runtime/database.ts';
import { hideCredentials, type Logger, oneLine } from '../db/runtime/logger.ts';
import { polledName, sourceNames } from '../workers/ingest/entries.ts';
import { RECORDING_HELP } from '../workers/ingest/recording/files.ts';
import { checkDatabase, checkPort } from './checks.ts';
import { FolderError, makeFolder } from './embedded/account.ts';
import { type Embedded, startEmbedded } from './embedded/embedded.ts';
import { lockFolder } from './embedded/lock.ts';
import { findPrepared } from './embedded/prepared.ts';
import { profile } from './emulator/credentials.ts';
import { type Emulator, startEmulator } from './emulator/emulator.ts';
import { EXIT_CONFIG, type ProcessSpec, type Supervision, supervise } from './supervisor.ts';
import { createOwnLogger, createTerminal, type Terminal } from './terminal.ts';

/** npm passes a Ctrl-C on that the terminal has sent us too; a person takes longer for the second. */
const SECOND_SIGNAL_MS = 500;
const READY_PATIENCE_MS = 20_000;

/** A source, and which of its symbols; absent: its watchlist. */
interface Prices {
  readonly source: string;
  symbols?: string;
  /** Where what it hears is kept. */
  record?: string;
}

interface Arguments {
  readonly prices: readonly Prices[];
  readonly port?: string;
  readonly history?: number;
}

interface Session {
  readonly args: Arguments;
  readonly config: Config;
  readonly dataDir: string;
  readonly logDir: string;
  readonly logger: Logger;
  readonly terminal: Terminal;
  /** Undone in reverse when everything ends. */
  readonly closers: (() => unknown)[];
  /** Done when there is no time for that. */
  readonly killers: (() => unknown)[];
  /** Aborted when everything is to end. */
  readonly signal: AbortSignal;
}

interface Services {
  readonly databaseUrl: string;
  /** The same for what only the owner may do. */
  readonly ownerUrl: string;
  /** Of the roles that log in as themselves. */
  readonly passwords: Passwords;
  readonly embedded: Embedded | undefined;
  readonly emulator: Emulator | undefined;
}

function readArguments(): Arguments {
  const prices: Prices[] = [];
  const early: { symbols?: string; record?: string } = {};
  const source = new Option(
    '--source <name>',
    'where prices come from; polled:NAME for a row of feed.polled_sources; again for another one',
  )
    .choices(sourceNames)
    .default('simulated');
  const check = source.parseArg;
  source.argParser<string>((name, before) => {
    if (polledName(name) === undefined) check?.call(source, name, before);
    if (prices.some(each => each.source === name)) {
      throw new InvalidArgumentError('It is there twice.');
    }
    prices.push({ source: name });
    return name;
  });
  const ofSource =
    (name: 'symbols' | 'record') =>
    (text: string): string => {
      (prices.at(-1) ?? early)[name] = text;
      return text;
    };
  const rest = command(
    'start',
    'Foresight, everything in one terminal: database, queue, workers and page.',
  )
    .addOption(source)
    .option(
      '--symbols <list>',
      'of the source before it, comma-separated, for example EUR_USD,USD_JPY',
      ofSource('symbols'),
    )
    .option('--record <file>', `of the source before it: ${RECORDING_HELP}`, text =>
      ofSource('record')(readFileName(text)),
    )
    .option('--port <number>', 'of the page; the same as PORT')
    .option(
      '--history <hours>',
      'of made-up or fetched prices to begin with',
      readNumber({ min: 0, max: 99_999 }),
    )
    .parse();
  const [first = { source: 'simulated' }, ...others] = prices;
  const all = [{ ...early, ...first }, ...others];
  const files = all.flatMap(({ record }) => (record === undefined ? [] : resolve(record)));
  if (new Set(files).size < files.length) {
    rest.error('error: --record names one file for two sources');
  }
  return { ...rest.opts<Omit<Arguments, 'prices'>>(), prices: all };
}

async function startServices(session: Session): Promise<Services> {
  const { config, dataDir, logger, terminal, closers, signal } = session;
  if (config.databaseUrl !== undefined) {
    await checkDatabase(config.databaseUrl);
    const { databaseUrl, databaseOwnerUrl: ownerUrl = databaseUrl, passwords } = config;
    return { databaseUrl, ownerUrl, passwords, embedded: undefined, emulator: undefined };
  }
  terminal.status('starting the database ...');
  const starting =
    config.sqsEndpoint === undefined ? startEmulator({ dataDir, logger }) : undefined;
  starting?.then(started => closers.push(() => started.stop())).catch(() => undefined);
  const embedded = await startEmbedded({ dataDir, logger, preparedDir: await findPrepared() });
  closers.push(() => embedded.stop());
  session.killers.push(() => process.kill(embedded.pid, 'SIGINT'));
  signal.throwIfAborted();
  const { url } = embedded;
  const passwords = createPasswords();
  return { databaseUrl: url, ownerUrl: url, passwords, embedded, emulator: await starting };
}

/** Kept nowhere: they are others at the next start. */
function createPasswords(): Passwords {
  const create = () => randomBytes(24).toString('hex');
  return {
    ingest: create(),
    upkeep: create(),
    publish: create(),
    indicators: create(),
    web: create(),
  };
}

/** Each process logs in as its own role, as far as there are passwords; the owner's login is upkeep's alone. */
function databaseEnv(
  name: string,
  { databaseUrl, ownerUrl, passwords }: Services,
): Record<string, string> {
  const url = new URL(databaseUrl);
  // Each source has a process, and all of them one role.
  const [role = name] = name.split('-');
  const password = passwords[role as keyof Passwords];
  if (password !== undefined) {
    url.username = `foresight_${role}`;
    url.password = encodeURIComponent(password);
  }
  return { DATABASE_URL: url.href, DATABASE_OWNER_URL: name === 'upkeep' ? ownerUrl : '' };
}

function describeProcesses(session: Session): ProcessSpec[] {
  const { config, args, dataDir } = session;
  const env = {
    AWS_REGION: config.awsRegion,
    HOST: config.host,
    PORT: String(config.port),
    LOG_LEVEL: config.logLevel,
    FORESIGHT_DATA_DIR: dataDir,
  };
  const option = (name: string, value: string | number | undefined) =>
    value === undefined ? [] : [`--${name}`, String(value)];
  const script = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
  const ingests = args.prices.map(({ source, symbols, record }) => ({
    name: args.prices.length === 1 ? 'ingest' : `ingest-${source.replace(':', '-')}`,
    script: script('workers/ingest/main.ts'),
    args: [
      ...option('source', source),
      ...option('symbols', symbols),
      ...option('history', args.history),
      ...option('record', record),
    ],
    env,
  }));
  return [
    ...ingests,
    { name: 'upkeep', script: script('workers/upkeep/main.ts'), env },
    { name: 'publish', script: script('workers/publish/main.ts'), env },
    { name: 'indicators', script: script('workers/indicators/main.ts'), env },
    { name: 'web', script: script('web/main.ts'), env },
  ];
}

/** A session token or a profile of the operator's would go before the emulator's credentials. */
function emulatorEnv(emulator: Emulator | undefined): Record<string, string> {
  if (emulator === undefined) return {};
  return {
    AWS_ENDPOINT_URL_SQS: emulator.endpoint,
    AWS_ACCESS_KEY_ID: emulator.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: emulator.credentials.secretAccessKey,
    AWS_SESSION_TOKEN: '',
    AWS_PROFILE: '',
  };
}

function describeSession({ config, args, logDir }: Session, services: Services): string {
  const { embedded, emulator } = services;
  const host = ['0.0.0.0', '::'].includes(config.host) ? 'localhost' : config.host;
  const url = new URL(services.databaseUrl);
  const rows = [
    [
      'prices',
      args.prices
        .map(({ source }) => (source === 'simulated' ? 'simulated: made up, no market' : source))
        .join(', '),
    ],
    ['database', embedded ? `PostgreSQL ${embedded.version} in ${embedded.folder}` : url.host],
    [
      'queue',
      emulator
        ? `embedded, ${emulator.endpoint}`
        : hideCredentials(config.sqsEndpoint ?? `Amazon SQS, ${config.awsRegion}`),
    ],
    ...(embedded
      ? [
          [
            'psql',
            `PGPASSWORD="$(cat '${join(embedded.folder, 'postgres.password')}')" psql -h ${url.hostname} -p ${url.port} -U foresight foresight`,
          ],
        ]
      : []),
    ...(emulator
      ? [
          [
            'aws',
            `AWS_SHARED_CREDENTIALS_FILE='${emulator.credentialsFile}' aws --profile ${profile} --region ${config.awsRegion} --endpoint-url ${emulator.endpoint} sqs list-queues`,
          ],
        ]
      : []),
    ['logs', logDir],
  ].map(([name = '', value]) => `  ${name.padEnd(9)} ${value}`);
  const address = `http://${host.includes(':') ? `[${host}]` : host}:${config.port}`;
  return [`Foresight is live on ${address}`, ...rows, 'Ctrl-C stops it'].join('\n');
}

/** Keeps the embedded database alive, whatever happens to it. */
async function watchDatabase(embedded: Embedded, { logger, signal }: Session): Promise<void> {
  while (!signal.aborted) {
    try {
      await embedded.ensureRunning();
    } catch (error) {
      logger.error({ err: error }, 'the embedded PostgreSQL does not come back');
    }
    await sleep(1_000, undefined, { signal }).catch(() => undefined);
  }
}

async function showStatus(url: string, session: Session): Promise<void> {
  const { logger, terminal, signal, closers } = session;
  const quiet = logger.child({}, { level: 'silent' });
  const sql = openDatabase({ url, process: 'start', logger: quiet, maxConnections: 1 });
  closers.push(() => sql.end({ timeout: 1 }));
  while (!signal.aborted) {
    const line = await sql<{ line: string }[]>`select dashboard.status_line() as line`
      .then(rows => rows[0]?.line)
      .catch(() => undefined);
    if (!signal.aborted) terminal.status(line ?? 'starting');
    await sleep(1_000, undefined, { signal }).catch(() => undefined);
  }
}

/** Announces the page when all processes are ready, or says which ones keep it waiting. */
async function announce(
  supervision: Supervision,
  services: Services,
  session: Session,
): Promise<void> {
  const { terminal, signal } = session;
  terminal.status('starting the processes ...');
  const patience = new AbortController();
  await Promise.race([
    supervision.ready,
    sleep(READY_PATIENCE_MS, undefined, { signal: AbortSignal.any([signal, patience.signal]) }),
  ]).catch(() => undefined);
  patience.abort();
  if (signal.aborted) return;
  terminal.status('');
  terminal.print(describeSession(session, services));
  const late = supervision.notReady();
  if (late.length > 0) terminal.warn(`not ready yet: ${late.join(', ')}`);
  await showStatus(services.ownerUrl, session);
}

/** Its reason is on the terminal already. */
class ToldError extends Error {}

/** Runs until it is told to stop, or until a process says that going on is pointless. */
async function runAll(session: Session): Promise<number> {
  const { dataDir, logDir, logger, terminal, closers, signal } = session;
  const lock = await lockFolder(dataDir);
  closers.push(() => lock.release());
  await checkPort(session.config);
  // To load what they need takes the processes as long as it takes to make a database.
  const supervision = supervise(describeProcesses(session), {
    logger,
    logDir,
    isHeld: true,
    show: (name, line) => terminal.warn(`${name}: ${line}`),
  });
  session.killers.push(() => supervision.kill());
  closers.push(() => supervision.stop());
  signal.addEventListener('abort', () => void supervision.stop(), { once: true });
  const [services, { finishCopy, migrate }] = await Promise.all([
    startServices(session),
    import('../db/migrate.ts'),
  ]);
  // Before the services that they use.
  closers.push(() => supervision.stop());
  signal.throwIfAborted();
  terminal.status('bringing the database up to date ...');
  const bring = services.embedded?.isCopy ? finishCopy : migrate;
  await bring({ url: services.ownerUrl, logger, passwords: services.passwords }).catch(error => {
    if (error instanceof ConfigError) throw error;
    logger.error({ err: error }, 'cannot bring the database up to date');
    throw new ToldError();
  });
  signal.throwIfAborted();
  supervision.release(name => ({
    ...databaseEnv(name, services),
    ...emulatorEnv(services.emulator),
  }));
  if (services.embedded) void watchDatabase(services.embedded, session);
  void announce(supervision, services, session).catch(error =>
    logger.error({ err: error }, 'status'),
  );
  const end = await supervision.ended;
  if (end.kind === 'stopped') return 0;
  // Its reason is on the terminal already: a child's warnings are shown as they come.
  terminal.warn(`stopping, because ${end.name} cannot go on`);
  return EXIT_CONFIG;
}

async function createSession(args: Arguments, signal: AbortSignal): Promise<Session> {
  const config = loadConfig(args.port === undefined ? {} : { PORT: args.port });
  const dataDir = resolve(config.dataDir);
  const logDir = join(dataDir, 'logs');
  await makeFolder(dataDir);
  const terminal = createTerminal();
  const logger = createOwnLogger(logDir, config.logLevel, terminal);
  return { args, config, dataDir, logDir, logger, terminal, closers: [], killers: [], signal };
}

/** The first signal ends everything in order, a second one at once. */
function handleSignals(session: Session, abort: AbortController): void {
  let first = 0;
  const onSignal = () => {
    if (first === 0) {
      first = Date.now();
      session.terminal.status('stopping ...');
      abort.abort();
    } else if (Date.now() - first >= SECOND_SIGNAL_MS) {
      for (const kill of session.killers) attempt(kill);
      process.exit(130);
    }
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
  process.on('uncaughtException', error => {
    session.logger.fatal({ err: error }, 'a fault in start itself; stopping');
    process.exitCode = 1;
    abort.abort();
  });
}

function attempt(action: () => unknown): void {
  try {
    action();
  } catch {
    // It is gone already.
  }
}

/** What went wrong as one line; 0 when nothing did but that we were asked to stop. */
function report(error: unknown, signal: AbortSignal): number {
  if (signal.aborted && error === signal.reason) return 0;
  if (error instanceof ToldError) return 1;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`foresight: ${oneLine(message)}\n`);
  return error instanceof ConfigError || error instanceof FolderError ? EXIT_CONFIG : 1;
}

async function main(): Promise<number> {
  const abort = new AbortController();
  const session = await createSession(readArguments(), abort.signal);
  handleSignals(session, abort);
  let code: number;
  try {
    code = await runAll(session);
  } catch (error) {
    session.terminal.status('');
    code = report(error, abort.signal);
  }
  abort.abort();
  for (const close of session.closers.toReversed()) {
    try {
      await close();
    } catch (error) {
      session.logger.error({ err: error }, 'stopping');
    }
  }
  session.terminal.status('');
  return process.exitCode === undefined ? code : Number(process.exitCode);
}

// What we make, we make for our user alone.
process.umask(0o077);

try {
  process.exit(await main());
} catch (error) {
  process.exit(report(error, new AbortController().signal));
}
