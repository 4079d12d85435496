import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPgPool } from '../db/runtime/database.ts';
import { freePort } from '../start/embedded/cluster.ts';
import { describeOnEngine, testLogger } from './support/database.ts';
import { type FaultProxy, openProxy } from './support/proxy.ts';
import { type System, startSystem, type WorkerName, type WorkerProcess } from './support/system.ts';
import { waitFor } from './support/wait.ts';

const workers = ['ingest', 'upkeep', 'publish', 'indicators'] as const;

describeOnEngine('A database that takes everything and answers nothing', database => {
  const running = new Map<WorkerName, WorkerProcess>();
  let system: System;
  let proxy: FaultProxy;
  let page: string;

  beforeAll(async () => {
    system = await startSystem(database);
    proxy = await openProxy(database.url);
    const url = new URL(database.url);
    url.port = String(proxy.port);
    const port = await freePort();
    page = `http://127.0.0.1:${port}`;
    const env = { DATABASE_URL: url.href, PORT: String(port) };
    system.supervise();
    const names = [...workers, 'web'] as const;
    await Promise.all(
      names.map(async name => running.set(name, await system.start(name, [], env))),
    );
  });
  afterAll(async () => {
    proxy.set(undefined);
    proxy.reset();
    await system.stopAll();
    await proxy.close();
  });

  async function get(path: string): Promise<string> {
    const response = await fetch(page + path, { signal: AbortSignal.timeout(10_000) });
    return `${response.status} ${await response.text()}`;
  }

  const untilReady = () =>
    waitFor('all is well', () => get('/readyz'), {
      until: text => text.startsWith('200 '),
      deadlineMs: 90_000,
      explain: system.logs,
    });

  const shows = (path: string, what: RegExp) =>
    waitFor(`${path} shows ${what}`, () => get(path), {
      until: text => what.test(text),
      deadlineMs: 15_000,
      explain: system.logs,
    });

  /** The named events of an open page, as they come. */
  async function follow(): Promise<{ heard: () => string; stop: () => void }> {
    const stop = new AbortController();
    const response = await fetch(`${page}/events?page=market`, { signal: stop.signal });
    let heard = '';
    const read = async (): Promise<void> => {
      const reader = response.body?.pipeThrough(new TextDecoderStream());
      for await (const text of reader ?? []) heard += text;
    };
    read().catch(() => undefined);
    return { heard: () => heard, stop: () => stop.abort() };
  }

  it('is told in words to whoever waits for an answer through a pool', async () => {
    const url = new URL(database.url);
    const silent = await openProxy(database.url);
    url.port = String(silent.port);
    const pool = openPgPool({
      url: url.href,
      process: 'test',
      logger: testLogger,
      statementTimeout: 500,
    });
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await expect(pool.query('select 1 / 0')).rejects.toThrow('division by zero');
    const client = await pool.connect();
    silent.set('swallow');
    await expect(client.query('select 1')).rejects.toThrow(
      'the database has had no answer for 2500 ms',
    );
    await expect(pool.query('select 1')).rejects.toThrow();
    silent.reset();
    client.release(true);
    await pool.end();
    await silent.close();
  }, 30_000);

  it('is told by the page, ends each worker, and all goes on when it is over', async () => {
    await untilReady();
    const away = /The database does not answer\. Its last answer came at .* What you see is of /;
    expect(await get('/')).not.toMatch(away);
    await get('/status');
    const open = await follow();
    proxy.set('swallow');

    await waitFor('an open page is told', async () => open.heard(), {
      until: text => /event: fault\ndata: The database does not answer\. /.test(text),
      deadlineMs: 15_000,
      explain: system.logs,
    });
    await shows('/', away);
    await shows('/status', away);
    await shows('/indicators/1', /^503 .*The database does not answer\./s);
    expect(await get('/readyz')).toMatch(/^503 the database /);
    expect(await get('/healthz')).toBe('200 up\n');

    const ends = await Promise.all(
      workers.map(async name => {
        const worker = running.get(name);
        const { code } = (await worker?.gone) ?? { code: null };
        return { name, code, log: worker?.log() };
      }),
    );
    for (const { name, code, log } of ends) {
      expect(code, name).toBe(1);
      expect(log, name).toMatch(/has had no answer for \d+ ms/);
    }
    expect(running.get('web')?.isGone()).toBe(false);

    proxy.set(undefined);
    // What was swallowed is missing for ever.
    proxy.reset();
    await untilReady();
    await shows('/', /role="alert" hidden><\/p>/);
    expect(open.heard()).toMatch(/event: recovered/);
    open.stop();
    expect(running.get('web')?.isGone()).toBe(false);
  }, 240_000);
});
