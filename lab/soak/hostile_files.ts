import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import pg from 'pg';
import { pack, packings } from '../../tests/support/archives.ts';
import {
  type Among,
  hostileContents,
  storedTicks,
  WRITINGS,
  type Writing,
  writeHostileFile,
} from '../../tests/support/hostile_files.ts';
import { root } from '../harness/processes.ts';
import type { Door, Outcome } from './trials.ts';

interface Input {
  readonly writing: Writing;
  readonly packed: string;
  readonly symbol: string;
  readonly written: {
    readonly lead: readonly string[];
    readonly among: readonly Among[];
    readonly prices: readonly string[];
    readonly ends: readonly string[];
  };
}

const attempts = 12;
const killAfterMs = 40_000;

/**
 * Files with every third line hostile, which the command of the README reads into a database of their own: the oracle
 * knows nothing of them. What is in the way ends the command, and it is started again, as a person would.
 *
 * @param urls Of that database: the command's, which may be cut, and one that goes past that.
 */
export function doorOfFiles(urls: { url: string; directUrl: string }, folder: string): Door<Input> {
  const inputs = fc.record({
    // That the command finds out by itself.
    writing: fc.constantFrom(...WRITINGS.filter(({ reading }) => Object.keys(reading).length < 1)),
    packed: packings,
    written: hostileContents,
  });
  return {
    name: 'files',
    draw(seed) {
      const [input] = fc.sample(inputs, { seed, numRuns: 1 });
      if (input === undefined) throw new Error('no input');
      // Not drawn: generators like the ends of a range, and two files of one instrument add up.
      return { ...input, symbol: `F${(seed >>> 0).toString(36).toUpperCase()}_USD` };
    },
    attempt: input => attempt(input, urls, folder),
    write: ({ writing, packed, symbol }) => `${writing.name}, ${packed}, ${symbol}`,
  };
}

async function attempt(
  { writing, packed, symbol, written }: Input,
  { url, directUrl }: { url: string; directUrl: string },
  folder: string,
): Promise<Outcome> {
  const file = writeHostileFile(writing, symbol, written);
  const path = join(folder, symbol);
  await writeFile(path, pack(packed, file.bytes));
  try {
    for (let turn = 1; turn <= attempts; turn++) {
      const { code, stderr } = await replayFile(path, symbol, url);
      if (/\n +at |node:internal/.test(stderr)) {
        return { kind: 'stack', fault: stderr.slice(-1_000) };
      }
      const stored = code === 0 ? await storedIn(directUrl, symbol) : undefined;
      if (stored !== undefined) {
        const missing = file.stored.filter(({ tick }) => !stored.includes(tick));
        const kind = turn === 1 ? 'read' : 'read at last';
        return missing.length === 0 && stored.length === file.stored.length
          ? { kind }
          : {
              kind: 'other ticks',
              fault: `${file.stored.length} ticks, ${stored.length} stored, missing ${JSON.stringify(missing.slice(0, 3))}`,
            };
      }
      await sleep(1_000);
    }
    return { kind: 'not read', suspicion: 'is never read' };
  } finally {
    await rm(path, { force: true });
  }
}

function replayFile(
  path: string,
  symbol: string,
  url: string,
): Promise<{ code: number | string; stderr: string }> {
  return new Promise(resolve => {
    const options = {
      env: { PATH: process.env.PATH, DATABASE_URL: url },
      timeout: killAfterMs,
      killSignal: 'SIGKILL',
    } as const;
    const args = [join(root, 'start/replay.main.ts'), path, '--symbol', symbol];
    execFile(process.execPath, args, options, (error, _, stderr) =>
      resolve({ code: error?.code ?? error?.signal ?? 0, stderr }),
    );
  });
}

/** Undefined while the server is away. */
async function storedIn(directUrl: string, symbol: string): Promise<string[] | undefined> {
  const client = new pg.Client({
    connectionString: directUrl,
    connectionTimeoutMillis: 5_000,
    query_timeout: 20_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await storedTicks(
      async (text, values) => (await client.query(text, values)).rows,
      symbol,
    );
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}
