import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { migrate } from '../../db/migrate.ts';
import { createLogger } from '../../db/runtime/logger.ts';
import { asAccount, chooseAccount } from '../../start/embedded/account.ts';
import { startEmbedded } from '../../start/embedded/embedded.ts';
import { databaseUrl, withAdmin } from '../../tests/support/template.ts';
import { findInstallation, startCluster } from '../../tests/support/timescaledb.ts';
import { waitFor } from '../../tests/support/wait.ts';

export type Engine = 'timescaledb' | 'postgres';

/** A throw-away PostgreSQL that may be killed, or the one of TEST_TIMESCALE_URL. */
export interface Server {
  readonly engine: Engine;
  /** URL of a superuser's maintenance database. */
  readonly adminUrl: string;
  /** False for a server that others use too, the one of TEST_TIMESCALE_URL. */
  readonly isOurs: boolean;
  /** Kills the postmaster, and returns when it is dead. Its sessions notice it themselves. */
  kill(): Promise<void>;
  /** Starts it again when it is dead. */
  ensureRunning(): Promise<void>;
  stop(): Promise<void>;
}

export const labLogger = createLogger('lab', process.env.LAB_LOG_LEVEL ?? 'error');

/**
 * @param prefers Which TimescaleDB where there are both: one that may be killed, or the one that was given.
 * @returns undefined when the engine is not on this machine.
 */
export async function startServer(
  engine: Engine,
  prefers: 'own' | 'given',
): Promise<Server | undefined> {
  if (engine === 'postgres') return startPostgres();
  const bin = findInstallation();
  const given = (process.env.TEST_TIMESCALE_URL ?? '').split(',')[0] ?? '';
  if (bin !== undefined && (prefers === 'own' || given === '')) return startTimescaledb(bin);
  if (given === '') return undefined;
  return {
    engine,
    adminUrl: given,
    isOurs: false,
    kill: async () => undefined,
    ensureRunning: async () => undefined,
    stop: async () => undefined,
  };
}

/** A fresh migrated database of a server. */
export interface Database {
  readonly url: string;
  drop(): Promise<void>;
}

export async function createDatabase({ adminUrl }: Server): Promise<Database> {
  const name = `foresight_lab_${process.pid}_${randomBytes(4).toString('hex')}`;
  const url = databaseUrl(adminUrl, name);
  const drop = async (): Promise<void> => {
    await withAdmin(adminUrl, admin => admin.query(`drop database if exists ${name} with (force)`));
  };
  await withAdmin(adminUrl, admin => admin.query(`create database ${name} template template0`));
  try {
    await migrate({ url, logger: labLogger });
  } catch (error) {
    await drop();
    throw error;
  }
  return { url, drop };
}

async function startPostgres(): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), 'foresight-lab-postgres-'));
  // Root's server runs as another user, which must be able to enter.
  await chmod(dataDir, 0o755);
  const embedded = await startEmbedded({ dataDir, logger: labLogger });
  return {
    engine: 'postgres',
    adminUrl: embedded.url,
    isOurs: true,
    kill: () => killProcess(embedded.pid),
    ensureRunning: async () => {
      await embedded.ensureRunning();
    },
    async stop() {
      await embedded.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Whoever asks too early is told that it runs: pg_ctl believes in a process that was killed, and in a zombie. */
async function killProcess(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is dead already.
  }
  await waitFor(`process ${pid} is dead`, () => isDead(pid));
}

/** Gone, or a zombie: it has a number until its parent asks for it. */
async function isDead(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') X ');
  return /\) [ZX] /.test(status);
}

/**
 * Ends what a dead postmaster left, as a service manager does with all processes of a service: a session
 * that works through a procedure waits for nothing, so it did not notice for three minutes, and no
 * server starts while one is there.
 */
async function endLeftSessions(dataDir: string): Promise<void> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const folder = await readlink(`/proc/${name}/cwd`).catch(() => undefined);
    if (folder !== dataDir) continue;
    try {
      process.kill(Number(name), 'SIGKILL');
    } catch {
      // It is gone already.
    }
  }
}

async function startTimescaledb(bin: string): Promise<Server> {
  const cluster = await startCluster(bin);
  const account = await chooseAccount([]);
  const data = await withAdmin(cluster.url, async admin => {
    const { rows } = await admin.query(`select current_setting('data_directory') as folder`);
    return String(rows[0]?.folder);
  });
  const pid = async () =>
    Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n', 1)[0]);
  const control = (...args: string[]) =>
    promisify(execFile)(join(bin, 'pg_ctl'), [...args, '-D', data], asAccount(account));

  async function ensureRunning(): Promise<void> {
    const begunAt = Date.now();
    for (const deadline = begunAt + 120_000; ; ) {
      try {
        await control('status');
        if (!(await isDead(await pid()))) return;
      } catch {
        // It is dead, or its last processes have not gone yet.
      }
      try {
        await control('start', '-w', '-t', '60', '-l', join(dirname(data), 'log'));
        return;
      } catch (error) {
        if (Date.now() > deadline) {
          const log = await readFile(join(dirname(data), 'log'), 'utf8').catch(() => '');
          throw new Error(`the server does not start: ${log.slice(-2_000)}`, { cause: error });
        }
        if (Date.now() > begunAt + 20_000) await endLeftSessions(data);
        await sleep(300);
      }
    }
  }

  return {
    engine: 'timescaledb',
    adminUrl: cluster.url,
    isOurs: true,
    kill: async () => killProcess(await pid()),
    ensureRunning,
    async stop() {
      await ensureRunning();
      cluster.stop();
    },
  };
}
