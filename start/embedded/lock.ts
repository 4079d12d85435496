import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { codeOf, EmbeddedError, FolderError, makeFolder } from './account.ts';

export interface FolderLock {
  release(): void;
}

/**
 * Takes a data folder for this process. The system itself holds the lock and drops it with the process,
 * however that ends, so it is never stale; SQLite is the way to it that Node brings.
 * @throws {EmbeddedError} when another process has the folder; names it.
 * @throws {FolderError} when it cannot be written.
 */
export async function lockFolder(dataDir: string): Promise<FolderLock> {
  await makeFolder(dataDir);
  const owner = join(dataDir, 'start.pid');
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(dataDir, 'start.lock'), { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
    writeFileSync(owner, `${process.pid}\n`);
  } catch (error) {
    lock?.close();
    throw explain(error, dataDir, owner);
  }
  const held = lock;
  return { release: () => held.close() };
}

function explain(error: unknown, dataDir: string, owner: string): Error {
  const message = error instanceof Error ? error.message : '';
  if (!/locked/.test(message)) {
    return new FolderError(
      `cannot write to the data folder ${dataDir} (${message || codeOf(error)}): set FORESIGHT_DATA_DIR to a folder that you may write`,
    );
  }
  const pid = readOwner(owner);
  return new EmbeddedError(
    `already running${pid === undefined ? '' : `, pid ${pid}`}, in this folder: ${dataDir} (FORESIGHT_DATA_DIR and PORT make room for a second one)`,
  );
}

function readOwner(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
