import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { asAccount, chooseAccount } from '../../../db/embedded/account.ts';
import { startEmbedded } from '../../../db/embedded.ts';
import { createLogger } from '../../../db/runtime/logger.ts';
import { withAdmin } from '../../../db/tests/support/template.ts';
import { findInstallation, startCluster } from '../../../db/tests/support/timescaledb.ts';

export type Engine = 'timescaledb' | 'postgres';

/** A throw-away PostgreSQL that may be killed. */
export interface Server {
  readonly adminUrl: string;
  /** False for a server that others use too, the one of TEST_TIMESCALE_URL. */
  readonly isOurs: boolean;
  /** The number of the postmaster. */
  pid(): Promise<number>;
  /** Starts it again when it is dead. */
  ensureRunning(): Promise<void>;
  stop(): Promise<void>;
}

/** @returns undefined when the engine is not on this machine. */
export async function startServer(engine: Engine): Promise<Server | undefined> {
  if (engine === 'postgres') return startPostgres();
  const bin = findInstallation();
  if (bin !== undefined) return startTimescaledb(bin);
  const given = process.env.TEST_TIMESCALE_URL;
  if (given === undefined || given === '') return undefined;
  return {
    adminUrl: given,
    isOurs: false,
    pid: async () => 0,
    ensureRunning: async () => undefined,
    stop: async () => undefined,
  };
}

async function startPostgres(): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), 'foresight-soak-postgres-'));
  // Root's server runs as another user, which must be able to enter.
  await chmod(dataDir, 0o755);
  const embedded = await startEmbedded({ dataDir, logger: createLogger('soak', 'silent') });
  return {
    adminUrl: embedded.url,
    isOurs: true,
    pid: async () => embedded.pid,
    ensureRunning: async () => {
      await embedded.ensureRunning();
    },
    async stop() {
      await embedded.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
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
    // A session that computes something long notices only after it that its postmaster is gone.
    for (const deadline = Date.now() + 180_000; ; ) {
      try {
        await control('status');
        return;
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
        await sleep(300);
      }
    }
  }

  return {
    adminUrl: cluster.url,
    isOurs: true,
    pid,
    ensureRunning,
    async stop() {
      await ensureRunning();
      cluster.stop();
    },
  };
}
