import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { waitFor } from '../tests/support/wait.ts';
import { freePort } from './embedded/cluster.ts';
import { lockFolder } from './embedded/lock.ts';

const cleanups: (() => unknown)[] = [];
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresight start '));
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rm(folder, { recursive: true, force: true });
});

async function takePort(): Promise<number> {
  const server = createServer(socket => socket.destroy()).listen(0, '127.0.0.1');
  cleanups.push(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

function run(env: Record<string, string>, args: readonly string[], cwd = process.cwd()) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd,
    env: { ...process.env, FORESIGHT_DATA_DIR: folder, DATABASE_URL: '', ...env },
  });
  cleanups.push(() => child.kill('SIGKILL'));
  return child;
}

/** Runs `npm start` where it must refuse; what it wrote to standard error, and its exit code. */
async function refusal(env: Record<string, string>, args: readonly string[] = [], cwd?: string) {
  const child = run({ PORT: String(await freePort()), ...env }, args, cwd);
  child.stdout.resume();
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = await once(child, 'close');
  return { code, lines: output.trimEnd().split('\n') };
}

describe('npm start refuses in one clear line', { timeout: 30_000 }, () => {
  test('a wrong environment, all of it at once', async () => {
    const { code, lines } = await refusal({ PORT: 'abc', LOG_LEVEL: 'loud' });
    expect(code).toBe(78);
    expect(lines).toEqual([
      expect.stringMatching(/^foresight: wrong configuration: PORT .*LOG_LEVEL/),
    ]);
  });

  test('a port that is taken, before it starts anything', async () => {
    const port = await takePort();
    const { code, lines } = await refusal({}, ['--port', String(port)]);
    expect(code).toBe(78);
    expect(lines).toEqual([expect.stringContaining(`PORT ${port} is taken on 127.0.0.1`)]);
    expect(await readdir(folder)).not.toContain('postgres');
  });

  test('a folder in which it runs already', async () => {
    const lock = await lockFolder(folder);
    cleanups.push(() => lock.release());
    const { code, lines } = await refusal({});
    expect(code).toBe(1);
    expect(lines).toEqual([
      expect.stringContaining(`already running, pid ${process.pid}, in this folder`),
    ]);
  });

  test('a database that nobody answers for, without telling its password', async () => {
    const port = await freePort();
    const url = `postgres://foresight:sekret@127.0.0.1:${port}/foresight`;
    const { code, lines } = await refusal({ DATABASE_URL: url });
    expect(code).toBe(78);
    expect(lines).toEqual([
      `foresight: DATABASE_URL: no PostgreSQL answers on 127.0.0.1:${port} (ECONNREFUSED)`,
    ]);
  });

  test('a folder that cannot be made, at once', { timeout: 90_000 }, async () => {
    const nowhere = [
      join(process.execPath, 'data'),
      ...(process.platform === 'linux' ? ['/proc/data', '/proc/data/of/foresight'] : []),
    ];
    for (const dataDir of nowhere) {
      const { code, lines } = await refusal({ FORESIGHT_DATA_DIR: dataDir });
      expect(code).toBe(78);
      expect(lines).toEqual([expect.stringContaining('set FORESIGHT_DATA_DIR')]);
    }
  });

  test('a file .env that is there and cannot be read, whatever is in its place', async () => {
    const place = join(folder, 'place');
    await mkdir(join(place, '.env'), { recursive: true });
    const asFolder = await refusal({}, [], place);
    expect(asFolder).toEqual({
      code: 78,
      lines: ['foresight: the file .env cannot be read (EISDIR): mend it, or take it away'],
    });
    await rm(join(place, '.env'), { recursive: true });
    await symlink('.env', join(place, '.env'));
    const asCircle = await refusal({}, [], place);
    expect(asCircle).toEqual({
      code: 78,
      lines: ['foresight: the file .env cannot be read (ELOOP): mend it, or take it away'],
    });
  });
});

describe('the data folder of npm start', () => {
  test('is for its user alone, with all that is in it', { timeout: 120_000 }, async () => {
    const dataDir = join(folder, 'made', 'here');
    const child = run({ FORESIGHT_DATA_DIR: dataDir, PORT: String(await freePort()) }, [
      '--history',
      '0',
    ]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await vi.waitFor(() => expect(output).toContain('Foresight is live'), 90_000);
    const isRoot = process.getuid?.() === 0;
    for (const made of [dirname(dataDir), dataDir]) {
      // Of root, whose server is of another user, who has to pass.
      expect((await stat(made)).mode & 0o777, made).toBe(isRoot ? 0o711 : 0o700);
    }
    const names = await readdir(dataDir);
    expect(names).toEqual(
      expect.arrayContaining(['logs', 'queue', 'queue.credentials', 'start.lock']),
    );
    const open = await Promise.all(
      ['', 'logs', 'queue'].map(async part =>
        (await readdir(join(dataDir, part), { withFileTypes: true })).map(async entry => {
          const { mode } = await stat(join(entry.parentPath, entry.name));
          // A copy of PostgreSQL's programs is no secret, and its user must reach it.
          const isProgram = entry.name.startsWith('postgresql-');
          return (mode & 0o077) === 0 || isProgram ? [] : [`${entry.name} ${mode.toString(8)}`];
        }),
      ),
    );
    expect((await Promise.all(open.flat())).flat()).toEqual([]);
    const told = /PGPASSWORD="\$\(cat '(.+)\/postgres\.password'\)"/.exec(output)?.[1] ?? '';
    for (const file of ['postgres.password', 'postgres.port', 'postgres.log']) {
      expect((await stat(join(told, file))).mode & 0o077, file).toBe(0);
    }
    child.kill('SIGTERM');
    await once(child, 'close');
  });
});

describe('npm start', { timeout: 120_000 }, () => {
  test('lets each process log in as its own role, and upkeep alone as the owner too', async () => {
    // Root's server runs as another user, which must be able to enter.
    await chmod(folder, 0o755);
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'main.ts'), '--history', '0'],
      {
        stdio: 'ignore',
        env: {
          ...process.env,
          FORESIGHT_DATA_DIR: folder,
          DATABASE_URL: '',
          PORT: String(await freePort()),
        },
      },
    );
    const gone = once(child, 'close');
    cleanups.push(() => {
      child.kill('SIGINT');
      return gone;
    });
    const logins = async () => {
      const read = async (name: string) => (await readFile(join(folder, name), 'utf8')).trim();
      const client = new pg.Client({
        connectionString: `postgres://foresight:${await read('postgres.password')}@127.0.0.1:${await read('postgres.port')}/foresight`,
      });
      client.on('error', () => undefined);
      await client.connect();
      try {
        const { rows } = await client.query(`
          select string_agg(distinct usename, ' ' order by usename) as users, application_name as process
          from pg_stat_activity where application_name ~ '^foresight (ingest|upkeep|publish|indicators|web)$'
          group by 2 order by 2`);
        return rows;
      } finally {
        await client.end();
      }
    };
    const expected = [
      { process: 'foresight indicators', users: 'foresight_indicators' },
      { process: 'foresight ingest', users: 'foresight_ingest' },
      { process: 'foresight publish', users: 'foresight_publish' },
      { process: 'foresight upkeep', users: 'foresight foresight_upkeep' },
      { process: 'foresight web', users: 'foresight_web' },
    ];
    await waitFor('all are there', logins, {
      deadlineMs: 90_000,
      until: rows =>
        JSON.stringify(rows.map(({ users, process }) => ({ process, users }))) ===
        JSON.stringify(expected),
    });
  });
});
