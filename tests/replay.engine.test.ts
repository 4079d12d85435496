import { spawn } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeOnEngine } from './support/database.ts';
import { waitFor } from './support/wait.ts';

describeOnEngine('npm run replay', ({ sql, url }) => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foresight-replays-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const linesOf = (...rows: readonly string[]) =>
    rows.map(row => `2026-01-08T10:00:${row}\n`).join('');
  const header = 'observed_at,last\n';

  function start(...args: readonly string[]) {
    const child = spawn(process.execPath, ['start/replay.main.ts', ...args], {
      env: { PATH: process.env.PATH, DATABASE_URL: url },
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    }
    const ended = new Promise<number | null>(resolve => child.once('close', resolve));
    return { output, ended, stop: () => child.kill('SIGINT') };
  }

  /** Until its end; again while the server is too busy to let it in, before which it does nothing. */
  async function run(...args: readonly string[]) {
    for (;;) {
      const { output, ended } = start(...args);
      const code = await ended;
      if (!output.stderr.includes('the database is away or busy')) return { code, ...output };
    }
  }

  const storedOf = async (symbol: string) => {
    const rows = await sql<{ last: number }[]>`
      select t.last from feed.ticks as t join feed.instruments as i using (instrument_id)
      where i.symbol = ${symbol} order by t.observed_at`;
    return rows.map(({ last }) => last);
  };

  it('takes files and folders together, tells each and all, and reads on when one is damaged', async () => {
    const days = join(folder, 'days');
    await mkdir(days);
    await writeFile(join(days, '1.csv.gz'), gzipSync(header + linesOf('01Z,1', '02Z,x', '03Z,2')));
    const damaged = gzipSync(header + linesOf('04Z,3', '05Z,4'));
    await writeFile(join(days, '2.csv.gz'), damaged.subarray(0, damaged.length - 6));
    await writeFile(join(days, 'notes.md'), 'not ticks');
    const last = join(folder, 'last.csv');
    await writeFile(last, header + linesOf('03Z,2', '06Z,5'));
    const output = await run(days, last, '--symbol', 'FILES.ALL');
    // As the operator can mend it.
    expect(output.code, output.stderr).toBe(78);
    const told = output.stdout.split('\n').filter(line => !line.startsWith(' '));
    expect(told.slice(1)).toEqual([
      '1/3 1.csv.gz: read to line 4: 2 stored, 0 duplicate, 0 conflicting, 1 rejected',
      '2/3 2.csv.gz: read to line 3: 2 stored, 0 duplicate, 0 conflicting, 0 rejected',
      '3/3 last.csv: read to line 3: 1 stored, 1 duplicate, 0 conflicting, 0 rejected',
      'all 3: 5 stored, 1 duplicate, 0 conflicting, 1 rejected',
      '',
    ]);
    expect(output.stdout).toContain('  line 3: number_malformed: last "x" is not a number\n');
    expect(output.stderr).toContain(
      '1 of 3 files could not be read to the end: 2.csv.gz: the gzip file is cut off: line 3 is the last whole one',
    );
    expect(await storedOf('FILES.ALL')).toEqual([1, 2, 3, 4, 5]);
  });

  it('goes on with what is added to the last file until it is stopped', async () => {
    const first = join(folder, 'whole.csv');
    const grows = join(folder, 'grows.csv');
    await writeFile(first, header + linesOf('01Z,1'));
    await writeFile(grows, header + linesOf('02Z,2'));
    const { output, ended, stop } = start(first, grows, '--symbol', 'FILES.GROW', '--follow');
    const has = (count: number) =>
      waitFor('the ticks are stored', () => storedOf('FILES.GROW'), {
        deadlineMs: 90_000,
        until: stored => stored.length === count,
        explain: () => output.stderr,
      });
    await has(2);
    await appendFile(grows, linesOf('03Z,3').slice(0, -3));
    await appendFile(grows, linesOf('03Z,3').slice(-3));
    await has(3);
    stop();
    expect(await ended, output.stderr).toBe(0);
    expect(output.stdout).toContain('2/2 grows.csv: interrupted at line 3: 2 stored');
    expect(await storedOf('FILES.GROW')).toEqual([1, 2, 3]);
  });

  it('takes files and folders as the history of a live source, of none that is made up, and makes nothing without ticks', async () => {
    const path = join(folder, 'history.csv');
    await writeFile(path, header + linesOf('01Z,1'));
    const madeOf = async (symbol: string) => {
      const [row] = await sql<{ source: string }[]>`
        select source from feed.instruments where symbol = ${symbol}`;
      return row?.source;
    };
    const live = await run(path, '--symbol', 'EUR_USD', '--source', 'oanda');
    expect(live.code, live.stderr).toBe(0);
    expect(live.stdout).not.toContain('replay');
    expect(await madeOf('EUR_USD')).toBe('oanda');
    for (const args of [
      [path, '--symbol', 'FILES.NONE', '--source', 'simulated'],
      [join(folder, 'mistyped.csv'), '--symbol', 'FILES.NONE'],
      [path, join(folder, 'mistyped.csv'), '--symbol', 'FILES.NONE'],
    ]) {
      const refused = await run(...args);
      expect(refused.code, refused.stderr).toBe(78);
      expect(refused.stderr).not.toMatch(/\n +at /);
    }
    expect(await madeOf('FILES.NONE')).toBeUndefined();
  });

  it('takes prices of zero and below when it is told to, and says so of the instrument', async () => {
    const path = join(folder, 'below.csv');
    await writeFile(path, header + linesOf('01Z,0.5', '02Z,-37.63', '03Z,0'));
    const refused = await run(path, '--symbol', 'FILES.BELOW');
    expect(refused.code, refused.stderr).toBe(0);
    expect(refused.stdout).toContain('1 stored, 0 duplicate, 0 conflicting, 2 rejected');
    const allowed = await run(path, '--symbol', 'FILES.BELOW2', '--allow-negative');
    expect(allowed.code, allowed.stderr).toBe(0);
    expect(await storedOf('FILES.BELOW2')).toEqual([0.5, -37.63, 0]);
  });
});
