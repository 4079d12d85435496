import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type SuperviseOptions, type Supervision, supervise, textToShow } from './supervisor.ts';

const cleanups: (() => unknown)[] = [];
let folder = '';
let shown: string[] = [];
let logged: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresight supervisor '));
  shown = [];
  logged = [];
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rm(folder, { recursive: true, force: true });
});

/** Each fixture notes what happens to it in a file that all share, in order. */
async function fixture(name: string, body: string) {
  const script = join(folder, `${name}.ts`);
  await writeFile(
    script,
    `import { appendFileSync } from 'node:fs';
     const note = text => appendFileSync(${JSON.stringify(join(folder, 'notes'))}, '${name} ' + text + '\\n');
     const ready = () => process.send({ ready: true });
     process.on('disconnect', () => process.exit(0));
     ${body}`,
  );
  return { name, script };
}

const LIVES = `
  process.on('SIGTERM', () => { note('stopped'); process.exit(0); });
  note('started ' + process.pid); ready(); setInterval(() => {}, 1e6);`;

async function notes(): Promise<string[]> {
  const text = await readFile(join(folder, 'notes'), 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean);
}

function start(
  specs: readonly { name: string; script: string }[],
  options: Partial<SuperviseOptions> = {},
): Supervision {
  const supervision = supervise(specs, {
    logger: pino({}, { write: line => void logged.push(line) }),
    logDir: join(folder, 'logs'),
    show: (name, line) => void shown.push(`${name}: ${line}`),
    backOff: { first: 10, longest: 100, resetAfter: 60_000 },
    ...options,
  });
  cleanups.push(() => {
    supervision.kill();
    return supervision.stop();
  });
  return supervision;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('the condition did not come true in 20 s');
    await sleep(10);
  }
}

describe('the supervisor', { timeout: 30_000 }, () => {
  test('is ready when each process has said so', async () => {
    let isReady = false;
    const slow = await fixture(
      'slow',
      `process.once('SIGUSR2', ready); note('started'); setInterval(() => {}, 1e6);`,
    );
    const supervision = start([await fixture('fast', LIVES), slow]);
    void supervision.ready.then(() => {
      isReady = true;
    });
    await until(async () => (await notes()).length === 2);
    expect(isReady).toBe(false);
    await until(() => supervision.notReady().length === 1);
    expect(supervision.notReady()).toEqual(['slow']);
    process.kill(supervision.pids().get('slow') ?? 0, 'SIGUSR2');
    await supervision.ready;
    expect(supervision.notReady()).toEqual([]);
  });

  /** A process of ours, and not a fixture that only looks like one. */
  const held = () =>
    fixture(
      'held',
      `const { runProcess } = await import(${JSON.stringify(join(import.meta.dirname, '../db/runtime/process.ts'))});
       note('loaded ' + process.pid);
       await runProcess('held', async ({ config, onStop }) => {
         onStop(() => note('stopped'));
         note('began with ' + config.databaseUrl + ' and ' + process.env.FORESIGHT_HELD);
         setInterval(() => {}, 1e6);
       });`,
    );
  const began = 'held began with postgres://db/x and undefined';

  test('has processes load before they are released, and begin with what they are given then', async () => {
    const supervision = start([await held()], { isHeld: true });
    await until(async () => (await notes()).length === 1);
    const pid = supervision.pids().get('held');
    await sleep(200);
    expect(supervision.notReady()).toEqual(['held']);
    supervision.release(() => ({ DATABASE_URL: 'postgres://db/x' }));
    await supervision.ready;
    expect(await notes()).toEqual([`held loaded ${pid}`, began]);
    process.kill(pid ?? 0, 'SIGKILL');
    await until(async () => (await notes()).length === 4);
    expect((await notes()).at(-1)).toBe(began);
  });

  test('releases also who is not loaded yet', async () => {
    const supervision = start([await held()], { isHeld: true });
    supervision.release(() => ({ DATABASE_URL: 'postgres://db/x' }));
    await supervision.ready;
    expect((await notes()).at(-1)).toBe(began);
  });

  test('holds a process again that dies before it is released, and stops at once who is held', async () => {
    const supervision = start([await held()], { isHeld: true });
    await until(async () => (await notes()).length === 1);
    process.kill(supervision.pids().get('held') ?? 0, 'SIGKILL');
    await until(async () => (await notes()).length === 2);
    const before = Date.now();
    await supervision.stop();
    expect(Date.now() - before).toBeLessThan(2_500);
    expect((await notes()).join()).not.toContain('began');
  });

  test('starts a process again after kill -9 and leaves the others alone', async () => {
    const supervision = start([await fixture('one', LIVES), await fixture('other', LIVES)]);
    await supervision.ready;
    const before = new Map(supervision.pids());
    process.kill(before.get('one') ?? 0, 'SIGKILL');
    await until(async () => (await notes()).filter(note => note.startsWith('one')).length === 2);
    expect(supervision.pids().get('one')).not.toBe(before.get('one'));
    expect(supervision.pids().get('other')).toBe(before.get('other'));
    expect(logged.join()).toContain('one ended (SIGKILL), starting it again in 0.01 s');
  });

  test('waits longer each time that a process ends soon, up to a limit', async () => {
    start([await fixture('one', `process.exit(1);`)]);
    const delays = () => logged.map(line => JSON.parse(line).retryInMs);
    await until(() => delays().length >= 6);
    expect(delays().slice(0, 6)).toEqual([10, 20, 40, 80, 100, 100]);
  });

  test('begins with the short wait again when a process has lived for a while', async () => {
    const backOff = { first: 10, longest: 100, resetAfter: 0 };
    start([await fixture('one', `process.exit(1);`)], { backOff });
    const delays = () => logged.map(line => JSON.parse(line).retryInMs);
    await until(() => delays().length >= 3);
    expect(delays().slice(0, 3)).toEqual([10, 10, 10]);
  });

  test('stops everything when a process refuses to go on, and hands on what it said last', async () => {
    const refuses = await fixture(
      'ingest',
      `console.error(JSON.stringify({ level: 'fatal', msg: 'OANDA refuses the token' }));
       process.exit(78);`,
    );
    const supervision = start([await fixture('other', LIVES), refuses]);
    expect(await supervision.ended).toEqual({
      kind: 'refused',
      name: 'ingest',
      reason: 'OANDA refuses the token',
    });
    expect(supervision.pids().size).toBe(0);
  });

  test('stops in reverse order, each when the one before is gone', async () => {
    const specs = await Promise.all(['one', 'two', 'three'].map(name => fixture(name, LIVES)));
    const supervision = start(specs);
    await supervision.ready;
    await supervision.stop();
    expect(await supervision.ended).toEqual({ kind: 'stopped' });
    expect((await notes()).slice(3)).toEqual(['three stopped', 'two stopped', 'one stopped']);
  });

  test('kills a process that does not listen to SIGTERM, after its deadline', async () => {
    const deaf = await fixture(
      'deaf',
      `process.on('SIGTERM', () => note('heard')); ready(); setInterval(() => {}, 1e6);`,
    );
    const supervision = start([deaf], { stopDeadlineMs: 200 });
    await supervision.ready;
    const pid = supervision.pids().get('deaf') ?? 0;
    await supervision.stop();
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
    expect(await notes()).toEqual(['deaf heard']);
    expect(logged.join()).toContain('did not stop in time');
  });

  test('kills everything at once when it is told to in the middle of a stop', async () => {
    const deaf = `process.on('SIGTERM', () => {}); ready(); setInterval(() => {}, 1e6);`;
    const supervision = start([await fixture('one', deaf), await fixture('two', deaf)], {
      stopDeadlineMs: 600_000,
    });
    await supervision.ready;
    const stopped = supervision.stop();
    supervision.kill();
    await stopped;
    expect(supervision.pids().size).toBe(0);
  });

  test('does not start a process again that is waiting for its turn when all stop', async () => {
    const backOff = { first: 50, longest: 50, resetAfter: 60_000 };
    const supervision = start([await fixture('one', `note('ran'); process.exit(1);`)], { backOff });
    await until(() => logged.length >= 1);
    await supervision.stop();
    const runs = (await notes()).length;
    await sleep(200);
    expect((await notes()).length).toBe(runs);
  });

  test('writes every line to the log and shows warnings, errors and crashes', async () => {
    const talks = await fixture(
      'web',
      `const log = entry => console.error(JSON.stringify(entry));
       log({ level: 'info', msg: 'calm' });
       log({ level: 40, msg: 'a number for warn' });
       log({ level: 'error', msg: 'broken', err: { message: 'because' } });
       console.error('no log line');
       ready(); setInterval(() => {}, 1e6);`,
    );
    start([talks]);
    await until(() => shown.length >= 3);
    expect(shown).toEqual(['web: a number for warn', 'web: broken: because', 'web: no log line']);
    const log = await readFile(join(folder, 'logs/web.log'), 'utf8');
    expect(log).toContain('"msg":"calm"');
  });

  test('puts a log aside that has grown to 10 MB', async () => {
    const talks = await fixture(
      'web',
      `const line = JSON.stringify({ level: 'info', msg: 'x'.repeat(100_000) });
       for (let n = 0; n < 120; n++) console.error(line);
       ready(); setInterval(() => {}, 1e6);`,
    );
    start([talks]);
    const size = async (name: string) =>
      (await readFile(join(folder, 'logs', name)).catch(() => '')).length;
    await until(async () => (await size('web.log.1')) > 0);
    expect(await size('web.log.1')).toBeLessThan(10.2 * 1024 * 1024);
    expect(await size('web.log')).toBeLessThan(10.2 * 1024 * 1024);
  });
});

test('what a process says of its provider reaches the terminal without what it would obey', async () => {
  const said = 'no \u001b[2J\u009b31m\u202e gone\r';
  for (const line of [
    JSON.stringify({ level: 'warn', msg: said }),
    JSON.stringify({ level: 'warn', msg: 'disconnected', reason: said }),
    JSON.stringify({ level: 50, msg: 'failed', err: { message: said } }),
    said,
  ]) {
    const shown = textToShow(line);
    expect(shown).toContain('gone');
    expect(shown).not.toMatch(/[^\P{C}\n]/u);
  }
  const talks = await fixture('talks', `console.log(${JSON.stringify(said)}); ${LIVES}`);
  await start([talks]).ready;
  await until(() => shown.length > 0);
  expect(shown.join()).not.toMatch(/[^\P{C}\n]/u);
  const log = await readFile(join(folder, 'logs', 'talks.log'), 'utf8');
  expect(log).not.toMatch(/[^\P{C}\n]/u);
  expect(log).toContain('\\u001b');
});
