import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, startChild } from '../../start/child.ts';
import { freePort } from '../../start/embedded/cluster.ts';
import { root } from '../harness/processes.ts';
import { type Figure, median } from './figures.ts';

const part = 'start';
const lookEveryMs = 100;
const deadlineMs = 120_000;

/** What a person waits for, in the order in which it usually comes. */
const moments = [
  'page answers',
  'terminal says that it is live',
  'every price',
  'first verdict',
  'half of the verdicts',
  'every verdict',
] as const;
type Moment = (typeof moments)[number];

/** `npm start` with an empty data folder, again and again: seconds from the command to what its page shows. */
export async function measureStart(isQuick: boolean): Promise<Figure[]> {
  // What an install does at its end, in case the code has changed since.
  await finished(startChild({ script: join(root, 'start/install.js'), env: inherited() }, ignore));
  const rounds: Map<Moment, number>[] = [];
  for (let round = 0; round < (isQuick ? 1 : 5); round++) rounds.push(await measureRound());
  return moments.map(name => {
    const samples = rounds.map(reached => reached.get(name) ?? Number.NaN);
    return { part, name, unit: 's', value: median(samples), samples };
  });
}

async function measureRound(): Promise<Map<Moment, number>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'foresight-bench-start-'));
  // Root's server runs as another user, which must be able to enter.
  await chmod(dataDir, 0o755);
  const port = await freePort();
  const reached = new Map<Moment, number>();
  let output = '';
  const startedAt = performance.now();
  const note = (name: Moment, isReached: boolean): void => {
    if (isReached && !reached.has(name)) reached.set(name, (performance.now() - startedAt) / 1_000);
  };
  const child = startChild(
    {
      script: join(root, 'start/run.js'),
      args: ['start/main.ts'],
      env: { ...inherited(), FORESIGHT_DATA_DIR: dataDir, PORT: String(port) },
    },
    line => {
      output += `${line}\n`;
      note('terminal says that it is live', line.startsWith('Foresight is live'));
    },
  );
  try {
    while (reached.size < moments.length) {
      if (child.isGone()) throw new Error(`npm start has ended:\n${output}`);
      if (performance.now() - startedAt > deadlineMs) {
        const missing = moments.filter(name => !reached.has(name));
        throw new Error(`not within ${deadlineMs / 1_000} s: ${missing.join(', ')}\n${output}`);
      }
      const page = await fetch(`http://127.0.0.1:${port}/`).then(
        answer => answer.text(),
        () => undefined,
      );
      if (page !== undefined) look(page, note);
      await sleep(lookEveryMs);
    }
    return reached;
  } finally {
    child.kill('SIGTERM');
    await child.gone;
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** Reads the page as a person does: what is there, and what is a place without anything yet. */
function look(page: string, note: (name: Moment, isReached: boolean) => void): void {
  const cells = [...page.matchAll(/data-verdict="(-?\d?)"/g)].map(([, verdict]) => verdict !== '');
  const known = cells.filter(isKnown => isKnown).length;
  const prices = [...page.matchAll(/class="figure">([^<]*)</g)].map(([, price]) => price);
  note('page answers', true);
  note('every price', prices.length > 0 && prices.every(price => /\d/.test(price ?? '')));
  note('first verdict', known > 0);
  note('half of the verdicts', known > 0 && known * 2 >= cells.length);
  note('every verdict', known > 0 && known === cells.length);
}

/** Ours, without a database or a queue, which it would take instead of its own. */
function inherited(): NodeJS.ProcessEnv {
  const { DATABASE_URL, DATABASE_OWNER_URL, AWS_ENDPOINT_URL_SQS, ...env } = process.env;
  return env;
}

async function finished(child: Child): Promise<void> {
  const { code } = await child.gone;
  if (code !== 0) throw new Error(`start/install.js ended with ${code}`);
}

const ignore = (): void => undefined;
