import { afterEach, expect, it } from 'vitest';
import { capture, describeOnEngine, testLogger } from '../../../../tests/support/database.ts';
import { toldCandles } from '../../../../tests/support/oracle.ts';
import { createRandom } from '../../../../tests/support/random.ts';
import { createFeed, type Feed } from '../../feed.ts';
import { ingest } from '../../ingest.ts';
import type { Tick } from '../../source.ts';
import { toMicroseconds } from '../../time.ts';
import { startFakeOanda } from './fake.ts';
import type { LoggedPrice } from './fake_prices.ts';
import { createOanda } from './source.ts';

const access = { token: 'secret-token-0123456789', accountId: '101-004-1234567-001' };
const symbols = ['EUR_USD', 'USD_JPY'] as const;
const timeframes = ['5s', '1m', '5m', '15m', '1h', '4h', '1d'];

/** As the source makes ticks of prices that it hears. */
const toTick = ({ instrument, time, bid, ask }: LoggedPrice): Tick => ({
  symbol: instrument,
  observedAt: toMicroseconds(time) ?? '',
  seq: Number(/\.\d{6}(\d{3})Z$/.exec(time)?.[1]),
  bid: bid === null ? null : Number(bid),
  ask: ask === null ? null : Number(ask),
  last: null,
  size: null,
});

describeOnEngine('OANDA', ({ sql }) => {
  const closers: (() => unknown)[] = [];

  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function play(mode: 'stream' | 'poll', seed: number) {
    await sql`delete from feed.gaps`;
    await sql`delete from feed.coverage`;
    for (const symbol of symbols) {
      const [known] = await sql`select from feed.instruments where symbol = ${symbol}`;
      if (known === undefined) continue;
      await sql`update feed.instruments set is_active = false where symbol = ${symbol}`;
      await sql`call feed.remove_instrument(${symbol})`;
    }
    await sql`select feed.add_timeframe('5s')`;
    const random = createRandom(seed);
    const fake = await startFakeOanda(access);
    closers.push(fake.close);
    // Both clocks stand in the past, and go on as the test wants.
    let ahead = -3_600_000;
    const pass = (milliseconds: number) => {
      ahead += milliseconds;
      fake.skew(ahead);
    };
    pass(0);
    /** Prices of half a minute or so, several in one second and some seconds without any. */
    const trade = (count: number, only: readonly string[] = symbols) => {
      for (let index = 0; index < count; index++) {
        pass(random.int(1, random.chance(0.1) ? 9_000 : 900));
        const bid = 1.1 + random.int(0, 900) / 10_000;
        const sides = { bid: bid.toFixed(5), ask: (bid + random.int(1, 30) / 10_000).toFixed(5) };
        const missing = random.chance(0.05) ? random.pick([{ bid: null }, { ask: null }]) : {};
        fake.push({ instrument: random.pick(only), ...sides, ...missing });
      }
    };
    let isAway = false;
    const real = createFeed(sql);
    /** What a process reaches of the database: nothing while that is away, or when it was killed itself. */
    const reach = (isDead: () => boolean): Feed =>
      new Proxy(real, {
        get: (target, name: keyof Feed) => {
          const call = target[name] as (...all: unknown[]) => Promise<unknown>;
          return async (...all: unknown[]) => {
            if (isAway || isDead()) throw new Error('the database is away');
            return call(...all);
          };
        },
      });
    const run = () => {
      const stop = new AbortController();
      let isDead = false;
      const source = createOanda({
        ...access,
        environment: 'practice',
        mode,
        streamUrl: fake.url,
        apiUrl: fake.url,
        timings: { firstBackoff: 10, longestBackoff: 50, poll: 5 },
        now: () => Date.now() + ahead,
      });
      const feed = reach(() => isDead);
      const beat = () => feed.followed(source.name);
      const parts = {
        source,
        symbols: [...symbols],
        repairs: true,
        feed,
        beat,
        logger: testLogger,
      };
      const ended = ingest({ ...parts, signal: stop.signal }).catch(() => undefined);
      return async () => {
        isDead = true;
        stop.abort();
        await ended;
      };
    };
    const hurry = setInterval(() => {
      void sql`update feed.gaps set next_try_at = now() where closed_at is null`.catch(() => {});
    }, 200);
    closers.push(() => clearInterval(hurry));
    const until = (holds: () => Promise<boolean>) =>
      expect.poll(holds, { timeout: 60_000, interval: 50 }).toBe(true);
    const newest = async (symbol: string) => {
      const [row] = await sql<{ time: string }[]>`
        select to_char(k.observed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time
        from feed.newest_ticks as k join feed.instruments as i using (instrument_id) where i.symbol = ${symbol}`;
      return row?.time;
    };
    const isThere = async () => {
      for (const symbol of symbols) {
        const last = fake.log(symbol).at(-1);
        if (last !== undefined && (await newest(symbol)) !== toMicroseconds(last.time))
          return false;
      }
      return true;
    };
    /** So few at once that a poll finds each. */
    const hear = async (count: number) => {
      for (const symbol of symbols) trade(1, [symbol]);
      for (let index = 0; index < count; index++) {
        if (mode === 'poll' || index % 5 === 0) await until(isThere);
        trade(1);
      }
      await until(isThere);
    };
    const isAnswered = (since: number) =>
      fake.requests
        .slice(since)
        .some(request => request.startsWith('200') && /pricing/.test(request));
    const listening = async (since: number) =>
      until(async () => (mode === 'poll' ? isAnswered(since) : fake.streamConnections > 0));
    const cut = async (prices: number) => {
      fake.refuseNext(10, 503);
      fake.cutAll();
      const asked = fake.requests.length;
      await until(async () => fake.streamConnections === 0 && fake.requests.length > asked);
      trade(prices);
      await listening(fake.requests.length);
    };

    let kill = run();
    closers.push(() => kill());
    await listening(0);
    await hear(30);
    await cut(60);
    await hear(20);
    // Two rounds of the ledger, and then some that it never writes down.
    await new Promise(resolve => setTimeout(resolve, 4_200));
    await hear(10);
    await kill();
    await until(async () => fake.streamConnections === 0);
    trade(80);
    kill = run();
    await listening(fake.requests.length);
    await hear(15);
    isAway = true;
    trade(5);
    await cut(40);
    trade(5);
    isAway = false;
    await hear(15);
    // The last candle before a gap's end is complete when the next price has come.
    pass(20_000);
    for (const instrument of symbols) {
      fake.push({ instrument, bid: '1.10000', ask: '1.10010' });
      pass(20);
    }
    await until(isThere);
    await until(async () => {
      const gaps = await sql`select from feed.gaps`;
      const open = await sql`select from feed.gaps where closed_at is null`;
      return gaps.length >= 3 * symbols.length && open.length === 0;
    });
    await capture(sql);
    return { fake };
  }

  const ticksOf = (symbol: string) => sql<
    { origin: string; time: string; seq: number; bid: number | null; ask: number | null }[]
  >`
    select t.origin, to_char(t.observed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time, t.seq::int, t.bid, t.ask
    from feed.ticks as t where t.instrument_id = feed.instrument_id(${symbol}) order by t.observed_at, t.seq`;

  async function expectHeardUntouched(fake: Awaited<ReturnType<typeof play>>['fake']) {
    for (const symbol of symbols) {
      const all = await ticksOf(symbol);
      const log = new Set(
        fake.log(symbol).map(price => {
          const { observedAt, seq, bid, ask } = toTick(price);
          return JSON.stringify([observedAt, seq, bid, ask]);
        }),
      );
      const heard = all.filter(({ origin }) => origin === 'heard');
      expect(heard.length).toBeGreaterThan(20);
      for (const { time, seq, bid, ask } of heard) {
        expect(log).toContain(JSON.stringify([time, seq, bid, ask]));
      }
      const made = all.filter(({ origin }) => origin === 'reconstructed');
      expect(made.length).toBeGreaterThan(20);
      expect(heard.length + made.length).toBe(all.length);
      const outside = await sql`
        select from feed.ticks as t
        where t.instrument_id = feed.instrument_id(${symbol}) and t.origin = 'reconstructed' and not exists (
          select from feed.gaps as g
          where g.instrument_id = t.instrument_id and t.observed_at > g.gap_from and t.observed_at < g.gap_to)`;
      expect(outside).toHaveLength(0);
    }
  }

  const candlesOf = (symbol: string, timeframe: string, side: string) => sql<
    { bucket: string; open: number; high: number; low: number; close: number }[]
  >`
    select to_char(bucket, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as bucket, open, high, low, close
    from feed.candles(${symbol}, ${timeframe}, ${side})`;

  it.each([1, 2, 3])(
    'after cuts, a kill and a database that was away has the candles that OANDA has (%i)',
    { timeout: 240_000 },
    async seed => {
      const { fake } = await play('stream', seed);
      const digest = async () => Promise.all(symbols.map(ticksOf));
      for (const symbol of symbols) {
        const log = fake.log(symbol).map(toTick);
        for (const timeframe of timeframes) {
          for (const side of ['bid', 'ask'] as const) {
            const theirs = toldCandles(log, symbol, timeframe, side).map(
              ({ bucket, open, high, low, close }) => ({ bucket, open, high, low, close }),
            );
            expect(
              await candlesOf(symbol, timeframe, side),
              `${symbol} ${timeframe} ${side}`,
            ).toEqual(theirs);
          }
        }
      }
      await expectHeardUntouched(fake);
      const gaps = await sql<{ grade: string; cause: string }[]>`
        select grade, cause from feed.gaps order by gap_from`;
      expect(new Set(gaps.map(({ grade }) => grade))).toEqual(new Set(['candles']));
      expect(gaps.some(({ cause }) => cause === 'the ingest process was not running')).toBe(true);

      const before = await digest();
      await sql`delete from feed.coverage where grade = 'candles'`;
      await sql`update feed.gaps set closed_at = null, grade = null, missing = tstzmultirange(tstzrange(gap_from, gap_to, '()'))`;
      await expect
        .poll(async () => (await sql`select from feed.gaps where closed_at is null`).length, {
          timeout: 60_000,
        })
        .toBe(0);
      expect(await digest()).toEqual(before);
    },
  );

  it('polled has the candles of the times in which it was not', { timeout: 240_000 }, async () => {
    const { fake } = await play('poll', 4);
    await expectHeardUntouched(fake);
    let compared = 0;
    for (const symbol of symbols) {
      const log = fake.log(symbol).map(toTick);
      const gaps = await sql<{ from: string; to: string }[]>`
        select to_char(g.gap_from, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as from,
          to_char(g.gap_to - interval '5 seconds', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as to
        from feed.gaps as g where g.instrument_id = feed.instrument_id(${symbol}) and g.grade = 'candles'`;
      for (const side of ['bid', 'ask'] as const) {
        const isMissed = ({ bucket }: { bucket: string }) =>
          gaps.some(({ from, to }) => bucket >= from && bucket <= to);
        const theirs = toldCandles(log, symbol, '5s', side)
          .filter(isMissed)
          .map(({ bucket, open, high, low, close }) => ({ bucket, open, high, low, close }));
        expect((await candlesOf(symbol, '5s', side)).filter(isMissed)).toEqual(theirs);
        compared += theirs.length;
      }
    }
    expect(compared).toBeGreaterThan(40);
  });
});
