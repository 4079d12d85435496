import { afterEach, expect, it } from 'vitest';
import { sleep } from '../../db/runtime/process.ts';
import { describeOnEngine, testLogger } from '../../tests/support/database.ts';
import { createFeed } from './feed.ts';
import { ingest } from './ingest.ts';
import { exchanges } from './tests/exchanges.ts';
import { played } from './tests/played.ts';

interface Gap {
  symbol: string;
  grade: string;
  cause: string;
  is_closed: boolean;
}

describeOnEngine('an exchange', ({ sql }) => {
  const feed = createFeed(sql);
  const closers: (() => unknown)[] = [];

  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  it.each(exchanges)(
    'is stored as $name has it, after cuts, skipped trades and a time without us',
    async ({ name, start, create, theirs, ours, remembers }) => {
      const fake = await start();
      closers.push(fake.close);
      const trade = (count: number) => {
        for (let index = 0; index < count; index++) {
          for (const symbol of theirs) fake.trade(symbol, { price: `${100 + index / 8}` });
        }
      };
      const run = () => {
        const stop = new AbortController();
        const source = create({
          streamUrl: fake.streamUrl,
          apiUrl: fake.url,
          timings: { firstBackoff: 10, longestBackoff: 50, ping: 100 },
          listWaits: [10],
        });
        const beat = () => feed.followed(source.name);
        const parts = { source, symbols: ours, repairs: true, feed, beat, logger: testLogger };
        const ended = ingest({ ...parts, signal: stop.signal });
        ended.catch(() => undefined);
        return async () => {
          stop.abort();
          await ended;
        };
      };
      const beats = setInterval(fake.beat, 100);
      // Gaps are repaired at once instead of in a while.
      const hurry = setInterval(() => {
        void sql`update feed.gaps set next_try_at = now() where closed_at is null`.catch(
          () => undefined,
        );
      }, 300);
      closers.push(
        () => clearInterval(beats),
        () => clearInterval(hurry),
      );
      const stored = async () => {
        const rows = await sql<{ symbol: string; text: string }[]>`
        select i.symbol, t.seq || ' ' || to_char(t.observed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || t.last || ' ' || t.size as text
        from feed.ticks as t join feed.instruments as i using (instrument_id)
        where i.source = ${name} and t.last is not null order by i.symbol, t.seq`;
        return Map.groupBy(rows, row => row.symbol);
      };
      const log = (symbol: string) =>
        fake
          .log(symbol)
          .map(({ id, time, price, size }) => `${id} ${time} ${Number(price)} ${size}`);
      const isThere = async () => {
        const rows = await stored();
        return ours.every((symbol, index) =>
          rows.get(symbol)?.some(({ text }) => text === log(theirs[index] ?? '').at(-1)),
        );
      };
      const until = (holds: () => Promise<boolean>) =>
        expect.poll(holds, { timeout: 60_000, interval: 100 }).toBe(true);

      const isHeard = async () => theirs.every(symbol => fake.listeners(symbol) > 0);
      const stop = run();
      closers.push(stop);
      await until(isHeard);
      trade(1);
      await until(isThere);

      trade(20);
      fake.drop(true);
      trade(5);
      fake.drop(false);
      trade(2);
      await until(isThere);

      fake.refuseNext(10, 503);
      fake.cut();
      trade(120);
      await until(async () => fake.connections() === 0);
      await until(isHeard);
      trade(1);
      await until(isThere);
      trade(3);
      await until(isThere);
      // Two rounds of the ledger.
      await sleep(4_200);

      await stop();
      trade(130);
      const again = run();
      closers.push(again);
      await until(isHeard);
      trade(4);
      await until(isThere);
      const gaps = () => sql<Gap[]>`
        select i.symbol, g.grade, g.cause, g.closed_at is not null as is_closed
        from feed.gaps as g join feed.instruments as i using (instrument_id)
        where i.source = ${name}`;
      /** Of these trades those which the ledger says that nobody has; of those at the ends of a gap it has some. */
      const givenUp = async (symbol: string, lines: readonly string[]) => {
        const rows = await sql<{ line: string }[]>`
        select line from unnest(${lines}::text[]) as line
        where exists (
          select from feed.gaps as g join feed.instruments as i using (instrument_id), unnest(g.missing) as r
          where i.symbol = ${symbol} and g.grade = 'impossible'
            and split_part(line, ' ', 2)::timestamptz between lower(r) and upper(r))`;
        return rows.map(({ line }) => line);
      };
      const idOf = (line: string) => Number(line.split(' ')[0]);
      await expect
        .poll(
          async () => {
            const rows = await stored();
            const accounted = ours.map(async (symbol, index) => {
              const own = rows.get(symbol)?.map(({ text }) => text) ?? [];
              if (remembers === undefined) return own;
              const missing = log(theirs[index] ?? '').filter(line => !own.includes(line));
              const lost = await givenUp(symbol, missing);
              return [...own, ...lost].sort((one, other) => idOf(one) - idOf(other));
            });
            return Promise.all(accounted);
          },
          { timeout: 60_000, interval: 250 },
        )
        .toEqual(theirs.map(log));
      let closed: readonly Gap[] = [];
      await until(async () => {
        closed = await gaps();
        return closed.every(gap => gap.is_closed);
      });

      for (const symbol of ours) {
        const own = closed.filter(gap => gap.symbol === symbol);
        const isGivenUp = (grade: string) => remembers !== undefined && grade === 'impossible';
        expect(
          own.map(({ grade }) => grade),
          symbol,
        ).toEqual(own.map(({ grade }) => (isGivenUp(grade) ? grade : 'exact')));
        expect(own.map(({ cause }) => cause).join(), symbol).toContain('did not come');
      }
      expect(closed.some(({ cause }) => cause === 'the ingest process was not running')).toBe(true);
      const rejected = await sql`select from feed.rejected_ticks where source = ${name}`;
      expect(rejected).toHaveLength(0);
    },
  );
});

describeOnEngine('a live source', ({ sql }) => {
  const feed = createFeed(sql);
  const closers: (() => unknown)[] = [];

  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  it.each(played)(
    'of $name stores prices of zero and below of an instrument that has them, and keeps others aside',
    async ({ theirs, ours, start, atOnce }) => {
      const since = new Date().toISOString();
      const fake = await start();
      closers.push(fake.close);
      const source = await fake.create({ firstBackoff: 10, longestBackoff: 50 });
      const stop = new AbortController();
      const beat = () => feed.followed(source.name);
      const parts = { source, symbols: ours, repairs: false, feed, beat, logger: testLogger };
      const ended = ingest({ ...parts, signal: stop.signal });
      ended.catch(() => undefined);
      closers.push(async () => {
        stop.abort();
        await ended;
      });
      const until = (holds: () => Promise<boolean>) =>
        expect.poll(holds, { timeout: 60_000, interval: 50 }).toBe(true);
      const [A, B] = theirs;
      const [has, hasNot] = ours;
      const pricesOf = async (symbol: string) => {
        const rows = await sql<{ price: number }[]>`
          select coalesce(t.last, t.bid) as price from feed.ticks as t join feed.instruments as i using (instrument_id)
          where i.symbol = ${symbol} and t.observed_at >= ${since}::text::timestamptz
            and coalesce(t.last, t.bid) in (1.5, 2.5, -37.63, 0)
          order by t.observed_at, t.seq`;
        return rows.map(({ price }) => price);
      };
      const kept = async () => {
        const rows = await sql<{ symbol: string; reason: string }[]>`
          select symbol, reason from feed.rejected_ticks where source = ${source.name} and symbol = any (${[...ours]})
          order by rejected_tick_id`;
        return rows.map(({ symbol, reason }) => `${symbol} ${reason}`);
      };
      /** Of each symbol a price, and it is there; a stream has no past. */
      const isHeard = async (symbol: string, own: string) => {
        await until(async () => {
          fake.trade(symbol);
          return (await pricesOf(own)).length > 0;
        });
      };
      await isHeard(A, has);
      await isHeard(B, hasNot);
      // While it runs, as an operator does it.
      await feed.allowNegative(has, source.name);
      for (const price of ['-37.63', '0']) {
        for (const symbol of [A, B]) fake.trade(symbol, { price });
        if (atOnce === 1) await until(async () => (await pricesOf(has)).at(-1) === Number(price));
      }
      for (const symbol of [A, B]) fake.trade(symbol, { price: '2.5' });
      await until(async () => (await pricesOf(hasNot)).at(-1) === 2.5);
      await until(async () => (await pricesOf(has)).at(-1) === 2.5);
      expect((await pricesOf(has)).slice(-3)).toEqual([-37.63, 0, 2.5]);
      expect((await pricesOf(hasNot)).slice(-2)).toEqual([1.5, 2.5]);
      await expect
        .poll(kept, { timeout: 20_000 })
        .toEqual([`${hasNot} price_not_positive`, `${hasNot} price_not_positive`]);
      await sql`update feed.instruments set allows_negative = false where symbol = ${has}`;
      await sql`delete from feed.rejected_ticks where source = ${source.name}`;
    },
  );
});
