import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { asAccount, chooseAccount } from '../../start/embedded/account.ts';
import { freePort } from '../../start/embedded/cluster.ts';
import { type Cluster, type EngineSetup, provideTemplate } from './template.ts';

export default function setup(project: TestProject): Promise<() => Promise<void>> {
  return setUpTimescaledb(engine => project.provide('engine', engine), project.name);
}

/**
 * A TimescaleDB of TEST_TIMESCALE_URL, of which project `timescaledb-2` takes the second, or a throw-away cluster of a local PostgreSQL that has the
 * extension. Without either the engine's tests are skipped, and this says so.
 */
export const setUpTimescaledb: EngineSetup = async (provide, project) => {
  const version = Number(/-(\d+)$/.exec(project)?.[1] ?? 1);
  const given = process.env.TEST_TIMESCALE_URL?.split(',')[version - 1]?.trim();
  if (given !== undefined && given !== '') {
    return provideTemplate(provide, project, 'timescaledb', given);
  }
  const bin = findInstallation();
  if (bin === undefined) {
    console.warn(
      `\n*** TimescaleDB is not here: every test of the project "${project}" is SKIPPED.\n` +
        '*** Set TEST_TIMESCALE_URL to a superuser of a server that has it, or install it locally.\n',
    );
    provide({ engine: 'timescaledb', adminUrl: undefined, template: '' });
    return async () => undefined;
  }
  const cluster = await startCluster(bin);
  try {
    const dropTemplate = await provideTemplate(provide, project, 'timescaledb', cluster.url);
    return async () => {
      await dropTemplate();
      cluster.stop();
    };
  } catch (error) {
    cluster.stop();
    throw error;
  }
};

/** The program folder of the newest local PostgreSQL that has the extension. */
export function findInstallation(): string | undefined {
  const candidates = ['/usr/lib/postgresql', '/usr/local/lib/postgresql', '/usr/local/pgsql']
    .filter(root => existsSync(root))
    .flatMap(root => [
      join(root, 'bin'),
      ...readdirSync(root)
        .sort()
        .reverse()
        .map(version => join(root, version, 'bin')),
    ]);
  try {
    candidates.push(execFileSync('pg_config', ['--bindir'], { encoding: 'utf8' }).trim());
  } catch {
    // No pg_config in the path: the usual folders are all there is to look at.
  }
  return candidates.find(bin => {
    if (!existsSync(join(bin, 'postgres')) || !existsSync(join(bin, 'initdb'))) return false;
    const version = /\/(\d+)\/bin$/.exec(bin)?.[1] ?? '';
    return [
      join(dirname(bin), 'share/extension'),
      join(dirname(bin), 'share/postgresql/extension'),
      `/usr/share/postgresql/${version}/extension`,
    ].some(folder => existsSync(join(folder, 'timescaledb.control')));
  });
}

export async function startCluster(bin: string): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'foresight-timescaledb-'));
  const data = join(folder, 'data');
  const account = await chooseAccount([]);
  chmodSync(folder, 0o755);
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
  const run = (program: string, args: readonly string[]): void => {
    execFileSync(join(bin, program), args, { ...asAccount(account), stdio: 'ignore' });
  };
  run('initdb', ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale']);
  const port = await freePort();
  appendFileSync(
    join(data, 'postgresql.conf'),
    [
      "shared_preload_libraries = 'timescaledb'",
      "listen_addresses = '127.0.0.1'",
      `port = ${port}`,
      "unix_socket_directories = ''",
      'max_connections = 150',
      'timescaledb.telemetry_level = off',
      // Jobs of the server's own would make copies of the template fail and tests depend on time.
      'timescaledb.max_background_workers = 0',
      '',
    ].join('\n'),
  );
  const log = join(folder, 'log');
  run('pg_ctl', ['start', '-w', '-D', data, '-l', log]);
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    stop: () => {
      run('pg_ctl', ['stop', '-w', '-m', 'immediate', '-D', data]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
