import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from '../../db/runtime/logger.ts';
import { exists } from './cluster.ts';
import { removeStopped, startEmbedded } from './embedded.ts';

/**
 * An empty database, migrated and stopped, of which the first start in a data folder takes a copy: to make one takes
 * longer than all else that a start does. An install makes it; where there is none, the first start makes its own.
 */

const usualCache = fileURLToPath(new URL('../../node_modules/.cache/foresight', import.meta.url));
/** What an empty database is made from. */
const sources = ['../../db/', '../../package-lock.json', './cluster.ts'];
const isSource = (file: string) => /\.(sql|ts)$/.test(file) && !/^tests\b|\.test\.ts$/.test(file);

/** The prepared database of exactly these files; undefined: there is none. */
export async function findPrepared(cache = usualCache): Promise<string | undefined> {
  const folder = join(cache, await nameOfFiles());
  return (await isWhole(folder)) ? folder : undefined;
}

/**
 * Makes the prepared database, unless it is there, and takes away those of other files.
 * @throws {EmbeddedError} and what a migration throws; what is left then is taken away by the next one.
 */
export async function prepareDatabase(logger: Logger, cache = usualCache): Promise<void> {
  const folder = join(cache, await nameOfFiles());
  if (await isWhole(folder)) return;
  for (const name of await readdir(cache).catch(() => [])) {
    if (/^database-[0-9a-f]{16}$/.test(name)) await removeStopped(join(cache, name));
  }
  const { migrate } = await import('../../db/migrate.ts');
  const embedded = await startEmbedded({ dataDir: folder, logger });
  try {
    await migrate({ url: embedded.url, logger });
  } finally {
    await embedded.stop();
  }
  await writeFile(join(folder, 'whole'), '');
}

const isWhole = (folder: string) => exists(join(folder, 'whole'));

async function nameOfFiles(): Promise<string> {
  const digest = createHash('sha256');
  for (const source of sources) {
    const url = new URL(source, import.meta.url);
    const files = source.endsWith('/') ? await filesIn(fileURLToPath(url)) : [fileURLToPath(url)];
    for (const file of files) {
      digest
        .update(`${basename(file)}\0`)
        .update(await readFile(file))
        .update('\0');
    }
  }
  return `database-${digest.digest('hex').slice(0, 16)}`;
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names
    .filter(isSource)
    .sort()
    .map(name => join(folder, name));
}
