import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  constants,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Logger, oneLine } from '../../db/runtime/logger.ts';
import { type Account, codeOf, EmbeddedError, run } from './account.ts';
import type { Installation } from './installation.ts';

/** Where everything of one embedded server is kept. */
export interface Home {
  readonly folder: string;
  /** PostgreSQL's data folder. */
  readonly cluster: string;
  readonly password: string;
  readonly port: string;
  readonly log: string;
}

export function homeIn(folder: string): Home {
  return {
    folder,
    cluster: join(folder, 'postgres'),
    password: join(folder, 'postgres.password'),
    port: join(folder, 'postgres.port'),
    log: join(folder, 'postgres.log'),
  };
}

/** Who makes a data folder, and of what. */
export interface Making {
  readonly installation: Installation;
  readonly account: Account | undefined;
  readonly logger: Logger;
  /** A stopped server's, of which a copy will do. */
  readonly prepared: Home | undefined;
}

export interface Cluster {
  readonly password: string;
  /** It was not there, and is a copy of what was prepared. */
  readonly isCopy: boolean;
}

/** Makes the data folder if there is none, and checks the one there is. */
export async function prepareCluster(home: Home, making: Making): Promise<Cluster> {
  const { installation, account } = making;
  if (!(await exists(home.cluster))) return createCluster(home, making);
  await handOver(home.cluster, account);
  await checkVersion(home, installation);
  const password = await readFile(home.password, 'utf8').catch(error => {
    throw new EmbeddedError(
      `cannot read ${home.password} (${codeOf(error)}), the password of the data folder beside it`,
    );
  });
  return { password: password.trim(), isCopy: false };
}

/**
 * Works in a folder of its own that gets its name when it is whole, so that an interrupted try is never taken for a
 * database.
 */
async function createCluster(home: Home, making: Making): Promise<Cluster> {
  const { installation, account, logger } = making;
  await removeLeftovers(home);
  logger.info({ folder: home.cluster, version: installation.version }, 'making the database');
  const half = await mkdtemp(join(home.folder, 'postgres.new-'));
  const copied = await copyPrepared(half, making);
  const password = await keepPassword(home, account, copied);
  if (copied === undefined) await initialize(half, home, making);
  await rename(half, home.cluster);
  return { password, isCopy: copied !== undefined };
}

/** Fills an empty folder with the prepared database, on the disk, and returns its password; undefined: it cannot. */
async function copyPrepared(half: string, making: Making): Promise<string | undefined> {
  const { installation, account, prepared, logger } = making;
  if (prepared === undefined) return undefined;
  try {
    const password = (await readFile(prepared.password, 'utf8')).trim();
    await cp(prepared.cluster, half, { recursive: true, mode: constants.COPYFILE_FICLONE });
    await handOver(half, account);
    const { code, output } = await run(installation.initdb, ['--sync-only', '-D', half], account);
    if (code !== 0) throw new EmbeddedError(faultIn(output));
    return password;
  } catch (error) {
    logger.warn(
      { reason: oneLine(String(error)) },
      'the prepared database cannot be copied; making one',
    );
    await rm(half, { recursive: true, force: true });
    await mkdir(half, { mode: 0o700 });
    return undefined;
  }
}

/** Fills an empty folder with a new database. */
async function initialize(half: string, home: Home, making: Making): Promise<void> {
  const { installation, account } = making;
  await handOver(half, account);
  const settings = [
    'timezone=UTC',
    'log_timezone=UTC',
    'shared_buffers=128MB',
    'max_connections=100',
  ];
  const { code, output } = await run(
    installation.initdb,
    [
      ...['-D', half, '-U', 'foresight', '--pwfile', home.password, '--auth=scram-sha-256'],
      ...['--encoding=UTF8', '--no-locale', '--no-instructions'],
      ...settings.flatMap(setting => ['-c', setting]),
    ],
    account,
  );
  if (code !== 0) {
    await rm(half, { recursive: true, force: true });
    throw new EmbeddedError(`cannot make the database in ${home.folder}: ${faultIn(output)}`);
  }
}

async function removeLeftovers(home: Home): Promise<void> {
  for (const name of await readdir(home.folder)) {
    if (!name.startsWith('postgres.new-')) continue;
    // An initdb that outlived its parent may still write here: what stays goes with the next try.
    await rm(join(home.folder, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/** That of what was copied; else the same one again after an interrupted try. */
async function keepPassword(
  home: Home,
  account: Account | undefined,
  copied: string | undefined,
): Promise<string> {
  const kept = (await readFile(home.password, 'utf8').catch(() => '')).trim();
  const password = copied ?? (kept === '' ? randomBytes(24).toString('hex') : kept);
  if (kept !== password) await writeWhole(home.password, `${password}\n`, 0o600);
  await handOver(home.password, account);
  return password;
}

/** As root: gives a file or folder to the server's account, unless it has it already. */
async function handOver(path: string, account: Account | undefined): Promise<void> {
  if (account === undefined || (await stat(path)).uid === account.uid) return;
  await run('chown', ['-R', `${account.uid}:${account.gid}`, path], undefined);
  await chown(path, account.uid, account.gid);
}

async function checkVersion(home: Home, installation: Installation): Promise<void> {
  const kept = await readFile(join(home.cluster, 'PG_VERSION'), 'utf8').catch(error => {
    if (codeOf(error) === 'EACCES') {
      throw new EmbeddedError(
        `the data folder ${home.cluster} belongs to another user: start as that user, or set FORESIGHT_DATA_DIR`,
      );
    }
    throw new EmbeddedError(`${home.cluster} is not a data folder of PostgreSQL: move it away`);
  });
  const ours = installation.version.split('.', 1)[0];
  if (kept.trim() === ours) return;
  throw new EmbeddedError(
    `the data folder ${home.cluster} was made by PostgreSQL ${kept.trim()}, and this is PostgreSQL ${ours}: move it away, or bring it over with PostgreSQL's pg_upgrade or pg_dump`,
  );
}

/** The port of last time where it is free, else another one, which is kept for next time. */
export async function choosePort(home: Home): Promise<number> {
  const kept = await keptPort(home.port);
  if (kept !== undefined && (await isFree(kept))) return kept;
  return newPort(home);
}

export async function newPort(home: Home): Promise<number> {
  const port = await freePort();
  await writeWhole(home.port, `${port}\n`, 0o600);
  return port;
}

async function keptPort(file: string): Promise<number | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return /^\d{4,5}\n?$/.test(text) ? Number(text) : undefined;
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A TCP port of this machine that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** The line of PostgreSQL's output that says what is wrong. */
export function faultIn(output: string): string {
  const lines = output.split('\n').filter(line => line.trim() !== '');
  const fault = lines.findLast(line => /(FATAL|PANIC|error):/.test(line)) ?? lines.at(-1);
  return (fault ?? 'it gave no reason').replace(/^.*?(FATAL|PANIC|error): */, '');
}

export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const half = `${path}.new`;
  await writeFile(half, text, { mode });
  await chmod(half, mode);
  await rename(half, path);
}
