import { randomBytes } from 'node:crypto';
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Credentials } from './signature.ts';

/** The profile of the credentials file that AWS clients are to take. */
export const profile = 'foresight';

export function credentialsFile(dataDir: string): string {
  return join(dataDir, 'queue.credentials');
}

/**
 * The credentials of the data folder, made at the first start. The file is one that AWS clients read, so
 * that whoever may read it, the user of this process, need not copy them anywhere.
 */
export async function keepCredentials(dataDir: string): Promise<Credentials> {
  const file = credentialsFile(dataDir);
  const kept = parse(await readIfThere(file));
  if (kept !== undefined) {
    await chmod(file, 0o600);
    return kept;
  }
  const made = {
    // Letters and digits in capitals, as Amazon makes them; at least 128 bits that nobody guesses.
    accessKeyId: `FQ${randomBytes(16).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(32).toString('hex'),
  };
  await writeCredentials(dataDir, made);
  return made;
}

export async function writeCredentials(dataDir: string, written: Credentials): Promise<void> {
  const { accessKeyId, secretAccessKey } = written;
  const text = `[${profile}]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
  const file = credentialsFile(dataDir);
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** Undefined when one of the two is missing: an empty secret would let everybody in. */
function parse(text: string): Credentials | undefined {
  const value = (name: string) =>
    new RegExp(`^\\s*${name}\\s*=\\s*(\\S+)\\s*$`, 'm').exec(text)?.[1];
  const accessKeyId = value('aws_access_key_id');
  const secretAccessKey = value('aws_secret_access_key');
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey };
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
