import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeCredentials } from '../start/emulator/credentials.ts';
import { describeOnEngine } from './support/database.ts';
import { findPythonOrWarn } from './support/python.ts';
import { queueCredentials } from './support/queue_server.ts';
import { type System, startSystem } from './support/system.ts';
import { waitFor } from './support/wait.ts';
import { type Block, blocksOf } from './support/written.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const python = findPythonOrWarn();
const blocks = blocksOf(new URL('../examples/python/README.md', import.meta.url));

/** The block of the README that has these words. */
function written(language: string, words: string): string {
  const found = blocks.filter(each => each.language === language && each.code.includes(words));
  expect(found, words).toHaveLength(1);
  return (found[0] as Block).code;
}

describe.skipIf(python === undefined)('The Python example', () => {
  describeOnEngine('as its README tells it', database => {
    const { sql, url } = database;
    let folder: string;
    let system: System;
    let service: ChildProcess | undefined;
    let said = '';

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'foresight-python-'));
      await writeCredentials(folder, queueCredentials);
      // The README says python3.
      const shim = join(folder, 'python3');
      await writeFile(shim, `#!/bin/sh\nexec '${python?.executable}' "$@"\n`);
      await chmod(shim, 0o755);
      system = await startSystem(database);
      await Promise.all((['upkeep', 'publish'] as const).map(name => system.start(name)));
    });
    afterAll(async () => {
      await endService('SIGKILL');
      await system.stopAll();
      await rm(folder, { recursive: true, force: true });
      await sql.unsafe('drop role if exists python_example');
    });

    /** Nothing but addresses differs from what is written. */
    function startService(): void {
      const login = new URL(url);
      login.username = 'python_example';
      login.password = 'change-me';
      service = spawn('sh', ['-e', '-c', written('sh', 'service.py')], {
        cwd: root,
        env: {
          PATH: `${folder}:${process.env.PATH}`,
          PYTHONPATH: python?.path,
          PYTHONDONTWRITEBYTECODE: '1',
          DATABASE_URL: login.href,
          AWS_ENDPOINT_URL_SQS: system.gate.endpoint,
          AWS_SHARED_CREDENTIALS_FILE: join(folder, 'queue.credentials'),
        },
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      for (const stream of [service.stdout, service.stderr]) {
        stream?.on('data', (part: Buffer) => {
          said += part.toString();
        });
      }
    }

    async function endService(signal: NodeJS.Signals): Promise<number | null> {
      const child = service;
      service = undefined;
      if (child?.pid === undefined) return null;
      const gone = new Promise<number | null>(resolve => child.once('close', resolve));
      // The shell and the interpreter.
      process.kill(-child.pid, signal);
      return gone;
    }

    const explain = () => `${said}\n${system.logs()}`;

    const listens = () =>
      waitFor(
        'it listens and lives',
        async () => {
          const rows = await sql`
            select is_running from ops.services where service = 'python_example' and is_running`;
          return rows.length === 1 && /listens on foresight-python-example/.test(said);
        },
        { explain },
      );

    const valuesOfTrend = () =>
      waitFor(
        'its newest value is there',
        () => sql.unsafe(written('sql', 'from indicator.latest')),
        { until: ([row]) => row?.bars === 5, explain },
      );

    it('is true, command by command', async () => {
      await sql.unsafe(written('sql', 'create role'));
      startService();
      await listens();
      await sql.unsafe(written('sql', 'indicator.add('));
      expect([...(await valuesOfTrend())]).toEqual([
        { label: 'Trend line 5', value: 1, reading: 'bullish', strength: 1, bars: 5 },
      ]);
      expect(blocks, 'each of them is run').toHaveLength(5);

      // It dies, and goes on where it was.
      await endService('SIGKILL');
      await sql`select pg_sleep_until(max(observed_at) + interval '1 second') from feed.ticks`;
      await sql`insert into feed.ticks (instrument_id, observed_at, bid)
        select feed.instrument_id('TREND'), max(observed_at) + interval '1 second', 50 from feed.ticks`;
      said = '';
      startService();
      await listens();
      const [newest] = await waitFor(
        'what came meanwhile is computed',
        () => sql.unsafe(written('sql', 'from indicator.latest')),
        { until: ([row]) => row?.value < 0, explain },
      );
      expect(newest, 'the last close is off the line').toMatchObject({
        bars: 5,
        reading: 'neutral',
      });
      await waitFor(
        'nothing is left to do',
        () => sql`select from indicator.pending union all select from indicator.backfills`,
        { until: rows => rows.length === 0, explain },
      );
      expect(await sql`select from indicator.dead_letters`).toHaveLength(0);

      await endService('SIGINT');
      expect(said).not.toContain('Traceback');
      await sql.unsafe(written('sql', 'indicator.remove('));
      expect(await sql`select from indicator.services`).toHaveLength(0);
      expect(await sql`select from pg_roles where rolname = 'python_example'`).toHaveLength(0);
    });
  });
});
