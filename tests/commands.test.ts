import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
/** Those that run a program of ours. */
const programs = Object.entries(scripts)
  .filter(([, line]) => line.startsWith('node '))
  .map(([script, line]) => ({ script, program: line.split(' ').at(-1) ?? '' }));

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Nobody's settings are there, and nothing may be left in it. */
const folder = mkdtempSync(join(tmpdir(), 'foresight-commands-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (program: string, ...args: string[]): Promise<Answer> => runWith({}, program, ...args);

function runWith(env: Record<string, string>, program: string, ...args: string[]): Promise<Answer> {
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [join(root, program), ...args],
      { cwd: folder, env: { PATH: process.env.PATH, ...env } },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

function expectRefusal({ code, stdout, stderr }: Answer, named: string): void {
  expect(stderr).toContain(named);
  expect(stderr).toMatch(/^foresight[ :][^\n]+\n$/);
  expect(stdout).toBe('');
  expect(code).toBe(78);
}

/** What a script cannot do without. */
const needed = (script: string): string[] =>
  ({ replay: ['ticks.csv', '--symbol', 'EUR_USD'], conformance: ['--service', 'nobody'] })[
    script
  ] ?? [];

describe.each(programs)('npm run $script', ({ script, program }) => {
  it('tells its options', async () => {
    const { code, stdout, stderr } = await run(program, '--help');
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^Usage: npm (run )?\S+ -- /);
    expect(stdout).toContain(` ${script} -- `);
    expect(code).toBe(0);
  });

  it('refuses an option that it does not know', async () => {
    const answer = await run(program, ...needed(script), '--no-such-option');
    expectRefusal(answer, "'--no-such-option'");
  });

  it('refuses an argument too many', async () => {
    // A replay takes as many files as there are.
    const named = script === 'replay' ? "'ticks.csv'" : 'too many arguments';
    expectRefusal(await run(program, ...needed(script), 'stray'), named);
  });
});

describe('An option with a wrong value', () => {
  const wrong = [
    ['start', '--history', '-1', 'from 0 to 99999'],
    ['start', '--port', '70000', 'PORT'],
    ['start', '--source', 'nowhere', 'simulated'],
    ['start:ingest', '--history', 'long', 'from 0 to 99999'],
    ['start:ingest', '--history', '', 'from 0 to 99999'],
    ['start:ingest', '--source', 'nowhere', 'simulated'],
    ['start:ingest', '--record', '', 'the name of a file'],
    ['start', '--record', 'folder/', 'the name of a file'],
    ['start:indicators', '--service', 'crystal_ball', 'classical, models'],
    ['replay', '--speed', '0', 'greater than 0'],
    ['bench', '--engine', 'oracle', 'timescaledb'],
    ['bench', '--only', 'nothing', 'latency'],
    ['conformance', '--engine', 'oracle', 'timescaledb'],
    ['conformance', '--patience', '1', 'from 5 to 600'],
    ['conformance', '--check', 'nothing', 'redelivery'],
    ['soak', '--minutes', '0', 'from 0.1 to 10000'],
    ['soak', '--seed', '1.5', 'whole number from 0'],
    ['soak', '--engine', 'oracle', 'timescaledb'],
  ] as const;

  it.each(wrong)('npm run %s -- %s %s is refused', async (script, option, value, reason) => {
    const program = programs.find(each => each.script === script)?.program ?? '';
    expectRefusal(await run(program, ...needed(script), option, value), reason);
  });
});

/** What PostgreSQL answers to everybody who connects: severity, SQLSTATE and message. */
function answering(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

describe('A database that is away for a while', () => {
  it.each([
    ['57P03', 'the database system is not yet accepting connections'],
    ['57P01', 'terminating connection due to administrator command'],
    ['53300', 'sorry, too many clients already'],
  ])('is told by a command in one line: %s', async (code, message) => {
    const server = createServer(socket => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(answering(code, message)));
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    writeFileSync(join(folder, 'ticks.csv'), 'time,bid,ask\n2026-11-02T10:00:00Z,1.1,1.2\n');
    try {
      const { port } = server.address() as AddressInfo;
      const answer = await runWith(
        { DATABASE_URL: `postgres://u:secret@127.0.0.1:${port}/d` },
        'start/replay.main.ts',
        ...needed('replay'),
      );
      const line = JSON.parse(answer.stderr) as Record<string, unknown>;
      expect(line).toMatchObject({ level: 'fatal', msg: expect.stringContaining(message) });
      expect(answer.stderr).not.toMatch(/stack|node:internal|secret/);
      expect(answer.code).toBe(1);
    } finally {
      server.close();
      rmSync(join(folder, 'ticks.csv'));
    }
  });
});

describe('All of these', () => {
  it('leave nothing behind', () => {
    expect(readdirSync(folder)).toEqual([]);
  });
});
