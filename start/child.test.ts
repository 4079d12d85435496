import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startChild } from './child.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresight child '));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function start(body: string, env: NodeJS.ProcessEnv = {}) {
  const script = join(folder, `${Math.random()}.ts`);
  await writeFile(script, body);
  const lines: string[] = [];
  const child = startChild({ script, env, args: ['one', 'two words'] }, line => lines.push(line));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await child.gone;
  });
  return { child, lines };
}

describe('a process that was started', () => {
  it('says first that it is ready, then answers', async () => {
    const { child } = await start(`
      process.on('message', message => process.send({ echo: message }));
      process.send({ ready: process.argv.slice(2) });`);
    expect(await child.ready).toEqual({ ready: ['one', 'two words'] });
    expect(await child.ask({ n: 1 })).toEqual({ echo: { n: 1 } });
    expect(await child.ask({ n: 2 })).toEqual({ echo: { n: 2 } });
    expect(child.isGone()).toBe(false);
  });

  it('is given this environment and nothing of ours', async () => {
    const { child } = await start(`process.send(Object.keys(process.env));`, { OWN: '1' });
    const names = (await child.ready) as string[];
    expect(
      names.filter(name => !name.startsWith('NODE_') && name !== '__CF_USER_TEXT_ENCODING'),
    ).toEqual(['OWN']);
  });

  it('hands over all that it wrote before it is gone, on both streams and without empty lines', async () => {
    const { child, lines } = await start(`
      process.stdout.write('a\\n\\n  \\nb');
      console.error('c');
      process.exitCode = 3;`);
    expect(await child.gone).toEqual({ code: 3, signal: null });
    expect(lines.toSorted()).toEqual(['a', 'b', 'c']);
    expect(child.isGone()).toBe(true);
  });

  it('fails a question that it did not answer before it ended', async () => {
    const { child } = await start(`
      process.on('message', () => process.exit(0));
      process.send({ ready: true });`);
    await child.ready;
    await expect(child.ask({})).rejects.toThrow('has ended');
    await expect(child.ask({})).rejects.toThrow();
  });

  it('says by which signal it ended', async () => {
    const { child } = await start(`process.send({ ready: true }); setInterval(() => {}, 1e6);`);
    await child.ready;
    child.kill('SIGTERM');
    expect(await child.gone).toEqual({ code: null, signal: 'SIGTERM' });
  });
});
