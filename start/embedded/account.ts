import { spawn } from 'node:child_process';
import { chmod, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The unprivileged user that the server runs as when we are root, which PostgreSQL refuses to be. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export interface CommandResult {
  readonly code: number;
  readonly output: string;
}

/** Something about the embedded database that the operator must put right. One line, no secrets. */
export class EmbeddedError extends Error {
  override readonly name = 'EmbeddedError';
}

/** FORESIGHT_DATA_DIR names a folder that cannot be used: to start again does not help. */
export class FolderError extends EmbeddedError {}

/** Nothing of the caller's PG* variables reaches the server; C keeps macOS from starting threads in it. */
export const serverEnvironment: Readonly<Record<string, string>> = {
  LC_ALL: 'C',
  ...Object.fromEntries(
    ['PATH', 'SYSTEMROOT', 'TEMP', 'TMP', 'TMPDIR'].flatMap(name => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  ),
};

/** What every process of the server is started with. The working directory must exist for any user. */
export function asAccount(account: Account | undefined) {
  return {
    cwd: process.platform === 'win32' ? process.cwd() : '/',
    windowsHide: true,
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
  };
}

/** Runs a command to its end; a command that cannot be started at all gives code 127. */
export function run(
  command: string,
  args: readonly string[],
  account: Account | undefined,
): Promise<CommandResult> {
  return new Promise(resolve => {
    const child = spawn(command, args, {
      ...asAccount(account),
      env: serverEnvironment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', error => resolve({ code: 127, output: error.message }));
    child.on('close', code => resolve({ code: code ?? 1, output: output.trim() }));
  });
}

/**
 * The account to run the server as; undefined means ours. As root it is the owner of the data folder
 * that exists already, else `postgres`, else `nobody`.
 */
export async function chooseAccount(clusterDirs: readonly string[]): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const dir of clusterDirs) {
    const owner = await stat(dir).catch(() => undefined);
    if (owner !== undefined && owner.uid !== 0) {
      return { name: `uid ${owner.uid}`, uid: owner.uid, gid: owner.gid };
    }
  }
  const found = (await lookUp('postgres')) ?? (await lookUp('nobody'));
  if (found !== undefined) return found;
  throw new EmbeddedError(
    'the embedded PostgreSQL refuses to run as root, and neither a user named postgres nor nobody exists: start as an ordinary user, or set DATABASE_URL',
  );
}

async function lookUp(name: string): Promise<Account | undefined> {
  const [uid, gid] = await Promise.all([
    run('id', ['-u', name], undefined),
    run('id', ['-g', name], undefined),
  ]);
  if (uid.code !== 0 || gid.code !== 0 || Number(uid.output) === 0) return undefined;
  return { name, uid: Number(uid.output), gid: Number(gid.output) };
}

/** Whether the account can reach a folder. Asked of the system, since mode bits are not all there is. */
export async function canEnter(folder: string, account: Account | undefined): Promise<boolean> {
  if (account === undefined) return true;
  const { code } = await run('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], account);
  return code === 0;
}

/**
 * Makes the data folder, and those above it, for our user alone. As root, whose server runs as another user,
 * others may pass through it and not look into it.
 *
 * One by one, since Node never ends to make a folder where the system lets nobody make one, as in /proc.
 * @throws {FolderError} one line that names the variable.
 */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await makeMissing(folder);
  } catch (error) {
    throw new FolderError(
      `cannot make the data folder ${folder} (${codeOf(error)}): set FORESIGHT_DATA_DIR to a folder that you may write`,
    );
  }
}

async function makeMissing(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory()) return;
  if (found === undefined && dirname(folder) !== folder) await makeMissing(dirname(folder));
  try {
    await mkdir(folder);
  } catch (error) {
    // Another start was faster.
    if ((await stat(folder).catch(() => undefined))?.isDirectory()) return;
    throw error;
  }
  await chmod(folder, process.getuid?.() === 0 ? 0o711 : 0o700);
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
