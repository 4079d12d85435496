import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { filesOf } from '../workers/ingest/recording/files.ts';
import { readRecording } from '../workers/ingest/recording/read.ts';
import { startFakeKraken } from '../workers/ingest/sources/kraken/fake.ts';
import { startFakeOanda } from '../workers/ingest/sources/oanda/fake.ts';
import { startFakePolled } from '../workers/ingest/sources/polled/fake.ts';
import { describeOnEngine } from './support/database.ts';
import { spawnWorker, workerEnvironment } from './support/system.ts';

const token = 'sekret-token-0123456789';
const accountId = '101-004-7654321-001';

/** A provider on this machine. */
interface Provider {
  readonly source: string;
  readonly symbols: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /**
   * Something happens there.
   * @returns of each symbol words that the provider then says, and what is in the newest that is stored of it.
   */
  readonly act: (
    turn: number,
  ) => readonly { readonly said: readonly string[]; readonly stored: string }[];
  /** What nobody could use. */
  readonly spoil: () => void;
  readonly close: () => Promise<void>;
}

describeOnEngine('A recording', ({ sql, url }) => {
  const closers: (() => unknown)[] = [];
  let path = '';
  beforeEach(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'foresight-recordings-'));
    closers.push(() => rm(folder, { recursive: true }));
    path = join(folder, 'heard.gz');
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function oanda(): Promise<Provider> {
    const fake = await startFakeOanda({ token, accountId, heartbeatMs: 200, slotMs: 0 });
    return {
      source: 'oanda',
      symbols: ['EUR_USD', 'USD_JPY'],
      env: {
        ...{ OANDA_API_TOKEN: token, OANDA_ACCOUNT_ID: accountId },
        ...{ OANDA_API_URL: fake.url, OANDA_STREAM_URL: fake.url },
      },
      act: turn => {
        const [euro, yen] = [`1.${1_002 + turn}`, `150.${100 + turn}`];
        fake.push({ instrument: 'EUR_USD', bid: `1.${1_000 + turn}`, ask: euro });
        fake.push({ instrument: 'USD_JPY', bid: null, ask: yen });
        return [
          { said: ['EUR_USD', euro], stored: ` ask ${Number(euro)}` },
          { said: ['USD_JPY', yen], stored: ` ask ${Number(yen)}` },
        ];
      },
      spoil: () => fake.push({ instrument: 'EUR_USD', bid: '1', ask: '2', tradeable: false }),
      close: fake.close,
    };
  }

  async function kraken(): Promise<Provider> {
    const fake = await startFakeKraken();
    const beats = setInterval(fake.beat, 200);
    return {
      source: 'kraken',
      symbols: ['BTC-USD.KRAKEN', 'ETH-USD.KRAKEN'],
      env: { KRAKEN_STREAM_URL: fake.streamUrl, KRAKEN_API_URL: fake.url },
      act: turn => {
        const ask = `${turn + 1}.75`;
        return ['BTC/USD', 'ETH/USD'].map(symbol => {
          fake.trade(symbol, { price: `${turn + 1}.5` });
          fake.quote(symbol, `${turn + 1}.25`, ask);
          return { said: [symbol, ask], stored: ` ask ${ask}` };
        });
      },
      spoil: () => fake.trade('BTC/USD', { price: '-1' }),
      close: async () => {
        clearInterval(beats);
        await fake.close();
      },
    };
  }

  async function polled(): Promise<Provider> {
    const fake = await startFakePolled({ token });
    fake.quote('xau', '1', '2');
    fake.quote('xag', '3', '4');
    await sql`select feed.add_polled_source('recorded_quotes', ${`${fake.url}/quotes`}, '1 s', 'received',
      symbols => '{"GOLD.R": "xau", "SILVER.R": "xag"}', bid_path => '/{symbol}/bid', ask_path => '/{symbol}/ask',
      headers => '{"Authorization": "Bearer {POLLED_TOKEN_FAKE}"}')`;
    return {
      source: 'polled:recorded_quotes',
      symbols: ['GOLD.R', 'SILVER.R'],
      env: { POLLED_TOKEN_FAKE: token, POLLED_HOSTS: '127.0.0.1' },
      act: turn => {
        return ['xau', 'xag'].map(symbol => {
          const ask = `${turn + 1}.75`;
          fake.quote(symbol, `${turn + 1}.25`, ask);
          return { said: [symbol, ask], stored: ` ask ${ask}` };
        });
      },
      spoil: () => fake.quote('xau', '-1', '2'),
      close: fake.close,
    };
  }

  function replay(...args: readonly string[]) {
    return new Promise<{ code: number | null; stdout: string; stderr: string }>(resolve => {
      const child = spawn(process.execPath, ['start/replay.main.ts', '--recorded', path, ...args], {
        env: { PATH: process.env.PATH, DATABASE_URL: url },
      });
      const output = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const) {
        child[name].setEncoding('utf8').on('data', (text: string) => {
          output[name] += text;
        });
      }
      child.once('close', code => resolve({ code, ...output }));
    });
  }

  const ticksOf = async (symbol: string) => {
    const rows = await sql<{ row: string }[]>`
      select concat_ws(' ', to_char(t.observed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US'), case when t.seq >= 0 then t.seq end,
        'bid', t.bid, 'ask', t.ask, 'last', t.last, t.size) as row
      from feed.ticks as t join feed.instruments as i using (instrument_id)
      where i.symbol = ${symbol} order by t.observed_at, t.seq`;
    return rows.map(({ row }) => row);
  };
  const refusedOf = async (source: string) => {
    const rows = await sql<{ reason: string }[]>`
      select distinct reason from feed.rejections where source = ${source}`;
    return rows.map(({ reason }) => reason);
  };
  const until = (holds: () => Promise<boolean>, words: () => string) =>
    expect
      .poll(holds, { timeout: 90_000, interval: 100 })
      .toBe(true)
      .catch((error: unknown) => {
        throw new Error(`${String(error)}\n${words()}`);
      });

  it.each([
    ['OANDA', oanda],
    ['Kraken', kraken],
    ['a polled address', polled],
  ])(
    'of %s gives the ticks that were stored, after a kill too, and is not taken for what is heard now',
    async (_, begin) => {
      const provider = await begin();
      closers.push(provider.close);
      const { source, symbols, act, spoil } = provider;
      const [symbol = ''] = symbols;
      const name = source.replace('polled:', '');
      const start = () => {
        const env = { ...workerEnvironment(url, 'http://127.0.0.1:1'), ...provider.env };
        const args = ['--source', source, '--symbols', symbols.join(), '--record', path];
        const worker = spawnWorker('ingest', env, args);
        closers.push(() => worker.kill9());
        return worker;
      };
      let turn = 0;
      /** Prices come until so many more are stored, and all of them are stored and in the recording. */
      const hear = async (log: () => string, count: number) => {
        const before = (await ticksOf(symbol)).length;
        let newest: ReturnType<typeof act> = [];
        await until(async () => {
          newest = act(turn++);
          return (await ticksOf(symbol)).length >= before + count;
        }, log);
        await until(async () => {
          const stored = await Promise.all(symbols.map(ticksOf));
          return newest.every((each, index) =>
            stored[index]?.some(row => row.includes(`${each.stored} `)),
          );
        }, log);
        await until(async () => {
          const all = await textsIn();
          return newest.every(({ said }) =>
            all.some(text => said.every(word => text.includes(word))),
          );
        }, log);
      };
      const textsIn = async () => {
        const texts: string[] = [];
        for await (const entry of readRecording(path, () => undefined)) {
          if ('text' in entry) texts.push(entry.text);
          if ('answer' in entry) texts.push(entry.answer.text);
        }
        return texts;
      };

      const first = start();
      await hear(first.log, 8);
      await first.kill9();
      const second = start();
      await hear(second.log, 5);
      spoil();
      await until(async () => (await refusedOf(name)).length > 0, second.log);
      expect((await second.stop()).code, second.log()).toBe(0);
      const live = await Promise.all(symbols.map(ticksOf));
      const total = live.flat().length;

      const dry = await replay('--dry-run');
      expect(dry.code, dry.stderr).toBe(0);
      expect(dry.stdout).toContain(`a dry run, nothing is stored: ${name}, heard from `);
      expect(dry.stdout).toContain(`: ${total} stored, `);
      expect(await ticksOf(`${symbol}.REC`)).toEqual([]);

      const done = await replay();
      expect(done.code, done.stderr).toBe(0);
      expect(done.stdout).toContain(`: ${total} stored, `);
      const reasons = await refusedOf(name);
      expect(done.stdout).toMatch(new RegExp(`  (${reasons.join('|')}|by the database): [1-9]`));
      expect(await Promise.all(symbols.map(each => ticksOf(`${each}.REC`)))).toEqual(live);
      expect(await refusedOf('replay')).toEqual(expect.arrayContaining(reasons));
      const again = await replay();
      expect(again.stdout).toContain(': 0 stored, ');

      const [known] = await sql<{ source: string; covered: number; gaps: number }[]>`
        select i.source,
          (select count(*)::int from feed.coverage as c where c.instrument_id = i.instrument_id) as covered,
          (select count(*)::int from feed.gaps as g where g.instrument_id = i.instrument_id) as gaps
        from feed.instruments as i where i.symbol = ${`${symbol}.REC`}`;
      expect(known).toEqual({ source: 'replay', covered: 0, gaps: 0 });

      const files = await filesOf(path);
      expect(files).toHaveLength(2);
      const packed = await Promise.all(files.map(each => readFile(each.path, 'latin1')));
      const told: string[] = [];
      for await (const entry of readRecording(path, () => undefined)) {
        told.push(JSON.stringify(entry));
      }
      for (const text of [...packed, ...told, done.stdout, first.log(), second.log()]) {
        expect(text).not.toContain(token);
        expect(text).not.toContain(accountId);
      }
    },
  );
});
