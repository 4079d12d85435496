import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile, readlink, rename, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import {
  type Account,
  asAccount,
  codeOf,
  EmbeddedError,
  run,
  serverEnvironment,
} from './account.ts';
import { faultIn, type Home } from './cluster.ts';
import type { Installation } from './installation.ts';

const LOG_LIMIT = 10 * 1024 * 1024;
const START_DEADLINE_MS = 10 * 60_000;

/** What PostgreSQL writes into postmaster.pid; the file grows line by line while it starts. */
export interface PidFile {
  readonly pid: number;
  readonly folder: string | undefined;
  readonly port: number | undefined;
}

/** A server that answered with our password and named our data folder. */
export interface Server {
  readonly pid: number;
  readonly port: number;
  readonly version: string;
  /** Present when the server is our child. */
  readonly child?: ChildProcess;
}

export type StartResult =
  | { readonly kind: 'started'; readonly server: Server }
  | { readonly kind: 'port taken' }
  /** What is left of an earlier server has not gone yet, or another start was faster. */
  | { readonly kind: 'busy'; readonly reason: string };

export type Probe =
  | { readonly kind: 'ours'; readonly version: string }
  | { readonly kind: 'not ours' }
  | { readonly kind: 'not yet' };

export async function readPidFile(home: Home): Promise<PidFile | undefined> {
  const text = await readFile(join(home.cluster, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  const port = Number(lines[3]);
  return { pid, folder: lines[1] || undefined, port: port > 0 ? port : undefined };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/**
 * Whether a living process is a PostgreSQL that works in our data folder; undefined where the system
 * does not say. A number alone proves nothing: it may have gone to another process since.
 */
export async function servesFolder(file: PidFile, home: Home): Promise<boolean | undefined> {
  if (process.platform === 'win32') return undefined;
  if (process.platform !== 'linux') {
    const { code, output } = await run('ps', ['-o', 'comm=', '-p', String(file.pid)], undefined);
    return code === 0 && basename(output) !== 'postgres' ? false : undefined;
  }
  const status = await readFile(`/proc/${file.pid}/stat`, 'utf8').catch(() => '');
  // A killed server whose parent does not collect it stays in the list as a zombie, Z.
  if (!/^\d+ \(postgres\) [^ZX]/.test(status)) return false;
  try {
    return await isSameFolder(await readlink(`/proc/${file.pid}/cwd`), home.cluster);
  } catch {
    return undefined;
  }
}

/** Asks whoever listens on a port for its data folder, with our password. */
export async function probe(home: Home, port: number, password: string): Promise<Probe> {
  const client = new pg.Client({ ...login(port, password), database: 'postgres' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query(
      `select current_setting('data_directory') as folder, current_setting('server_version') as version`,
    );
    const same = await isSameFolder(String(rows[0]?.folder), home.cluster);
    return same ? { kind: 'ours', version: String(rows[0]?.version) } : { kind: 'not ours' };
  } catch (error) {
    // 28: it refuses our password or user. Everything else passes: it starts, or nobody listens yet.
    return codeOf(error).startsWith('28') ? { kind: 'not ours' } : { kind: 'not yet' };
  } finally {
    await client.end().catch(() => undefined);
  }
}

export async function createDatabase(port: number, password: string): Promise<void> {
  const client = new pg.Client({ ...login(port, password), database: 'postgres' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query(`select from pg_database where datname = 'foresight'`);
    if (rowCount === 0) await client.query('create database foresight');
  } catch (error) {
    if (codeOf(error) !== '42P04') {
      throw new EmbeddedError(`cannot create the database foresight (${codeOf(error)})`);
    }
  } finally {
    await client.end().catch(() => undefined);
  }
}

function login(port: number, password: string): pg.ClientConfig {
  return {
    host: '127.0.0.1',
    port,
    user: 'foresight',
    password,
    application_name: 'foresight start',
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
  };
}

/**
 * Starts the server and waits until it answers. Without a shell, so that no character in a path has a
 * meaning, and as the leader of its own session, so that Ctrl-C in the terminal does not reach it.
 */
export async function startPostmaster(options: {
  readonly home: Home;
  readonly installation: Installation;
  readonly account: Account | undefined;
  readonly port: number;
  readonly password: string;
  /** A living process that has the number in postmaster.pid and is proven to be something else. */
  readonly impostor: number | undefined;
}): Promise<StartResult> {
  const { home, installation, account, port } = options;
  const log = await openLog(home.log);
  const from = (await log.stat()).size;
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories='];
  const child = spawn(
    installation.postgres,
    ['-D', home.cluster, ...settings.flatMap(setting => ['-c', setting])],
    {
      ...asAccount(account),
      env: { ...serverEnvironment, ...excuse(options.impostor) },
      stdio: ['ignore', log.fd, log.fd],
      detached: true,
    },
  );
  const failed = new Promise<string>(resolve => {
    child.once('error', error => resolve(error.message));
    child.once('exit', () => resolve(''));
  });
  child.unref();
  try {
    const version = await Promise.race([
      failed.then(() => undefined),
      waitForAnswer(options, child),
    ]);
    if (version !== undefined && child.pid !== undefined) {
      return { kind: 'started', server: { pid: child.pid, port, version, child } };
    }
    return explain((await failed) || (await readFrom(home.log, from)), home);
  } finally {
    await log.close();
  }
}

/**
 * PostgreSQL takes any living process with the number in postmaster.pid for a server, except its own
 * parents. Named as such, the impostor is passed over, and PostgreSQL goes on to its real proof, the
 * shared memory of the data folder. So nobody has to delete that file.
 */
function excuse(impostor: number | undefined): Record<string, string> {
  return impostor === undefined ? {} : { PG_GRANDPARENT_PID: String(impostor) };
}

async function waitForAnswer(
  options: { readonly home: Home; readonly port: number; readonly password: string },
  child: ChildProcess,
): Promise<string | undefined> {
  const deadline = Date.now() + START_DEADLINE_MS;
  while (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    const answer = await probe(options.home, options.port, options.password);
    if (answer.kind === 'ours') return answer.version;
    if (answer.kind === 'not ours') {
      child.kill('SIGINT');
      throw new EmbeddedError(
        `the database in ${options.home.cluster} does not take the password in ${options.home.password}`,
      );
    }
    if (Date.now() > deadline) {
      throw new EmbeddedError(`the embedded PostgreSQL does not answer; see ${options.home.log}`);
    }
    await sleep(25);
  }
  return undefined;
}

function explain(output: string, home: Home): StartResult {
  const fault = faultIn(output);
  if (/could not create any TCP\/IP sockets/.test(output)) return { kind: 'port taken' };
  if (/still in use|lock file .* already exists|could not lock/.test(output)) {
    return { kind: 'busy', reason: fault };
  }
  throw new EmbeddedError(`the embedded PostgreSQL did not start: ${fault} (see ${home.log})`);
}

async function openLog(path: string) {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  if (size > LOG_LIMIT) await rename(path, `${path}.1`);
  const log = await open(path, 'a', 0o600);
  await log.chmod(0o600);
  return log;
}

async function readFrom(path: string, offset: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64 * 1024), 0, 64 * 1024, offset);
    return buffer.subarray(0, bytesRead).toString();
  } finally {
    await file.close();
  }
}

export async function isSameFolder(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map(path => stat(path).catch(() => undefined)));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}
