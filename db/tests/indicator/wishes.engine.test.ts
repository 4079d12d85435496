import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { publish, registerCatalog } from '../../../tests/support/indicators.ts';
import { type Session, untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

describeOnEngine('Indicators that are asked for', ({ sql }) => {
  beforeAll(() => registerCatalog(sql));
  beforeEach(async () => {
    await sql`delete from indicator.wishes`;
    await sql`delete from indicator.sets where set <> 'rating'`;
    // As if those of other tests had never been shown.
    await sql`update feed.instruments set is_active = false, shown_at = null`;
  });

  const of = async (symbol: string) => {
    const rows = await sql<{ label: string }[]>`
      select concat_ws(' ', timeframe, side, kind, params ->> 'period') as label from indicator.definitions
      where instrument_id = feed.instrument_id(${symbol}) order by 1`;
    return rows.map(row => row.label);
  };
  const one = async (query: PromiseLike<readonly object[]>): Promise<unknown> =>
    Object.values((await query)[0] ?? {})[0];
  const sma = (period: number) => JSON.stringify({ period });
  const add = (symbol: string, period = 20, side: string | null = null, timeframe = '1m') =>
    one(
      sql`select indicator.add(${symbol}, ${timeframe}, 'sma', ${sma(period)}::text::jsonb, ${side})`,
    );
  const remove = (symbol: string, period = 20, side: string | null = null, timeframe = '1m') =>
    one(
      sql`select indicator.remove(${symbol}, ${timeframe}, 'sma', ${sma(period)}::text::jsonb, ${side})`,
    );
  const fill = (set: string, periods: readonly number[]) =>
    sql`insert into indicator.sets select ${set}, 'sma', jsonb_build_object('period', p) from unnest(${periods}::int[]) as p`;

  describe('of one symbol', () => {
    it('are there once however often they are added, and gone when they are removed', async () => {
      const symbol = await addInstrument(sql);
      const id = await add(symbol);
      expect(id).toEqual(expect.any(Number));
      expect(await add(symbol)).toBe(id);
      expect(await of(symbol)).toEqual(['1m mid sma 20']);
      expect(await remove(symbol)).toBe(1);
      expect(await of(symbol)).toEqual([]);
      expect(await sql`select from indicator.wishes`).toHaveLength(0);
      expect(
        await sql`select from outbox.filters where instrument_id = feed.instrument_id(${symbol})`,
      ).toHaveLength(0);
      await expect(remove(symbol)).rejects.toMatchObject({
        code: 'NOWSH',
        message: `nobody asked for sma {"period": 20} on ${symbol} 1m`,
      });
    });

    it('are another series with other parameters, another timeframe or side', async () => {
      const symbol = await addInstrument(sql);
      await add(symbol);
      await add(symbol, 21);
      await add(symbol, 20, 'bid');
      await add(symbol, 20, null, '5m');
      expect(await of(symbol)).toEqual([
        '1m bid sma 20',
        '1m mid sma 20',
        '1m mid sma 21',
        '5m mid sma 20',
      ]);
      expect(await remove(symbol, 20, 'bid')).toBe(1);
      expect(await of(symbol)).toEqual(['1m mid sma 20', '1m mid sma 21', '5m mid sma 20']);
      await add(symbol, 20, 'bid');
      expect(await remove(symbol)).toBe(2);
      expect(await of(symbol)).toEqual(['1m mid sma 21', '5m mid sma 20']);
    });

    it('are forgotten as wishes too when they are removed by their id', async () => {
      const symbol = await addInstrument(sql);
      await sql`select indicator.remove(${Number(await add(symbol))})`;
      expect(await sql`select from indicator.wishes`).toHaveLength(0);
    });

    it('are refused with the limits of a parameter, and of what there is', async () => {
      const symbol = await addInstrument(sql);
      await expect(add(symbol, 0)).rejects.toMatchObject({
        code: 'PARAM',
        message: 'parameter period of sma must be a whole number from 2 to 1000, not 0',
      });
      await expect(
        sql`select indicator.add(${symbol}, '1m', 'rsi', '{"length": 14}')`,
      ).rejects.toMatchObject({
        code: 'PARAM',
        message: "rsi has no parameter 'length'",
        hint: 'Its parameters are period (2 to 150), signal (level, turn).',
      });
      await expect(
        sql`select indicator.add(${symbol}, '1m', 'obv', '{"length": 14}')`,
      ).rejects.toMatchObject({ code: 'PARAM' });
      await expect(add(symbol, 20, 'offer')).rejects.toMatchObject({ code: 'NOSID' });
      await expect(add('NOBODY')).rejects.toMatchObject({ code: 'NOINS' });
      await expect(add('*', 0)).rejects.toMatchObject({ code: 'PARAM' });
      await expect(add('*', 20, null, '2m')).rejects.toMatchObject({ code: 'NOTFR' });
      expect(await sql`select from indicator.wishes`).toHaveLength(0);
    });
  });

  describe('of all symbols', () => {
    it('are those of instruments that are there and of ones that are added later, until the wish goes', async () => {
      const early = await addInstrument(sql);
      expect(await add('*')).toBeNull();
      expect(await add('*')).toBeNull();
      const late = await addInstrument(sql);
      expect(await of(early)).toEqual(['1m mid sma 20']);
      expect(await of(late)).toEqual(['1m mid sma 20']);
      const [wish, ...others] = await sql`
        select symbol, timeframe, side, set, kind, params, indicators from indicator.wish_list`;
      expect(others).toEqual([]);
      expect(wish).toEqual({
        symbol: '*',
        timeframe: '1m',
        side: null,
        set: null,
        kind: 'sma',
        params: { period: 20 },
        indicators: '2',
      });
      expect(await remove('*')).toBe(2);
      expect(await of(early)).toEqual([]);
      expect(await of(late)).toEqual([]);
      expect(await of(await addInstrument(sql))).toEqual([]);
    });

    it('leave what was asked for by itself, in either order', async () => {
      const [first, second] = [await addInstrument(sql), await addInstrument(sql)];
      const id = await add(first);
      await add('*');
      expect(await add(second)).toEqual(expect.any(Number));
      expect(await add(first)).toBe(id);
      expect(await remove('*')).toBe(0);
      expect(await of(first)).toEqual(['1m mid sma 20']);
      expect(await of(second)).toEqual(['1m mid sma 20']);
      await add('*');
      expect(await remove(first)).toBe(0);
      expect(await remove('*')).toBe(1);
      expect(await of(first)).toEqual([]);
      expect(await of(second)).toEqual(['1m mid sma 20']);
    });

    it('are those of an instrument that is shown for the first time, and of one that is hidden', async () => {
      const hidden = await addInstrument(sql);
      await sql`update feed.instruments set is_active = false where symbol = ${hidden}`;
      await sql`select feed.add_instrument('LATER', 'manual', is_active => false)`;
      await add('*');
      expect(await of(hidden)).toEqual(['1m mid sma 20']);
      expect(await of('LATER')).toEqual([]);
      await sql`select feed.show_instruments('manual')`;
      expect(await of('LATER')).toEqual(['1m mid sma 20']);
      await sql`select indicator.remove(indicator_id) from indicator.definitions
        where instrument_id = feed.instrument_id('LATER')`;
      await sql`update feed.instruments set is_active = false where symbol = 'LATER'`;
      await sql`update feed.instruments set is_active = true where symbol = 'LATER'`;
      expect(await of('LATER')).toEqual([]);
    });

    it.each([
      ['of the newest of its candles alone when nobody asked for them before', false],
      ['of all its candles whoever asked for them before', true],
    ])('of an instrument that is shown for the first time are told %s', async (_, isAsked) => {
      const symbol = isAsked ? 'LATER_ASKED' : 'LATER_UNASKED';
      await publish(sql);
      await sql`select feed.add_instrument(${symbol}, 'manual', is_active => false)`;
      const early = [0, 60, 120].map(seconds =>
        tickOf(symbol, secondsAfter(seconds), { bid: 1, ask: 2 }),
      );
      await createFeed(sql).recordTicks('manual', early);
      if (isAsked) await sql`select outbox.subscribe('early', 'early', symbol => ${symbol})`;
      await add('*');
      await sql`select feed.show_instruments('manual')`;
      const minutes = async () => {
        const told = (await publish(sql)).filter(each => each.symbol === symbol);
        return [...new Set(told.map(({ bucket }) => Date.parse(bucket)))].sort();
      };
      const at = (seconds: number) => Date.parse(secondsAfter(seconds));
      // The newest is told again to who asks from now on: its verdict waits neither for a tick nor for the history.
      expect(await minutes()).toEqual((isAsked ? [0, 60, 120] : [120]).map(at));
      await createFeed(sql).recordTicks('manual', [
        tickOf(symbol, secondsAfter(180), { bid: 1, ask: 2 }),
      ]);
      expect(await minutes(), 'what comes in then').toEqual([at(180)]);
      if (isAsked) await sql`select outbox.unsubscribe('early')`;
    });

    it('go when the row of the wish is deleted', async () => {
      const symbol = await addInstrument(sql);
      await add('*');
      await sql`delete from indicator.wishes`;
      expect(await of(symbol)).toEqual([]);
    });

    it('stay away from an instrument where one was removed by its id, until they are added again', async () => {
      const symbol = await addInstrument(sql);
      await add('*');
      await sql`select indicator.remove(indicator_id) from indicator.definitions
        where instrument_id = feed.instrument_id(${symbol})`;
      await add('*', 30);
      expect(await of(symbol)).toEqual(['1m mid sma 30']);
      await add('*');
      expect(await of(symbol)).toEqual(['1m mid sma 20', '1m mid sma 30']);
    });

    it.each(['the instrument', 'the wish'])(
      'are those of an instrument that is added meanwhile, %s first',
      async first => {
        await withSessions(sql, async (one, other) => {
          await one.sql`begin`;
          let symbol = '';
          const addOn = async (session: Session) => {
            symbol = await addInstrument(session.sql);
          };
          const wishOn = async (session: Session) =>
            void (await session.sql`select indicator.add('*', '1m', 'sma')`);
          const [before, after] = first === 'the wish' ? [wishOn, addOn] : [addOn, wishOn];
          await before(one);
          const waiting = after(other);
          await untilBlocked(sql, other);
          await one.sql`commit`;
          await waiting;
          expect(await of(symbol)).toEqual(['1m mid sma 20']);
        });
      },
    );
  });

  describe('as a set', () => {
    it('are all there with one call, and gone with one', async () => {
      const symbol = await addInstrument(sql);
      await fill('three', [10, 20, 30]);
      expect(await one(sql`select indicator.add_set(${symbol}, '5m', 'three')`)).toBe(3);
      expect(await of(symbol)).toEqual(['5m mid sma 10', '5m mid sma 20', '5m mid sma 30']);
      await add(symbol, 20, null, '5m');
      expect(await one(sql`select indicator.remove_set(${symbol}, '5m', 'three')`)).toBe(2);
      expect(await of(symbol)).toEqual(['5m mid sma 20']);
      await expect(
        sql`select indicator.remove_set(${symbol}, '5m', 'three')`,
      ).rejects.toMatchObject({
        code: 'NOWSH',
        message: `nobody asked for the set three on ${symbol} 5m`,
      });
    });

    it('follow the rows of the set, on all symbols too', async () => {
      const symbol = await addInstrument(sql);
      await fill('two', [10, 20]);
      await sql`select indicator.add_set('*', '1m', 'two')`;
      const late = await addInstrument(sql);
      await add(symbol, 10);
      await fill('two', [30]);
      expect(await of(symbol)).toEqual(['1m mid sma 10', '1m mid sma 20', '1m mid sma 30']);
      expect(await of(late)).toEqual(['1m mid sma 10', '1m mid sma 20', '1m mid sma 30']);
      await sql`update indicator.sets set params = '{"period": 40}' where set = 'two' and params = '{"period": 20}'`;
      await sql`delete from indicator.sets where set = 'two' and params = '{"period": 10}'`;
      expect(await of(symbol)).toEqual(['1m mid sma 10', '1m mid sma 30', '1m mid sma 40']);
      expect(await of(late)).toEqual(['1m mid sma 30', '1m mid sma 40']);
    });

    it('are refused when there is no such set, or a row of it cannot be', async () => {
      const symbol = await addInstrument(sql);
      await fill('two', [10, 20]);
      await expect(sql`select indicator.add_set(${symbol}, '5m', 'tow')`).rejects.toMatchObject({
        code: 'NOSET',
        message: "there is no set of indicators 'tow'",
        hint: 'Choose one of rating, two, or insert its rows into indicator.sets.',
      });
      await expect(sql`select indicator.add_set(${symbol}, '5m', null)`).rejects.toMatchObject({
        code: 'NOSET',
      });
      await expect(fill('two', [1])).rejects.toMatchObject({ code: 'PARAM' });
      await expect(
        sql`insert into indicator.sets values ('two', 'crystal_ball', '{}')`,
      ).rejects.toMatchObject({ code: 'NOKIN' });
      await sql`insert into indicator.sets values ('two', 'rsi', '{"period": 9}')`;
      const [row] = await sql`select params from indicator.sets where kind = 'rsi' and set = 'two'`;
      expect(row).toEqual({ params: { period: 9, signal: 'level' } });
    });
  });

  describe('without a side', () => {
    const tick = (symbol: string, prices: { bid?: number; ask?: number; last?: number }, at = 0) =>
      sql`insert into feed.ticks (instrument_id, observed_at, bid, ask, last)
        select feed.instrument_id(${symbol}), '2026-03-02Z'::timestamptz + ${at} * interval '1 second',
          ${prices.bid ?? null}, ${prices.ask ?? null}, ${prices.last ?? null}`;
    const settle = () => one(sql`select indicator.settle_sides()`);
    const quoted = { bid: 1, ask: 2 };

    it.each([
      ['mid', [quoted]],
      ['mid', [{ last: 1 }, quoted, { last: 1 }]],
      ['mid', [{ ...quoted, last: 1 }]],
      ['last', [{ last: 1 }]],
      ['bid', [{ bid: 1 }, { ask: 2 }]],
      ['ask', [{ ask: 2 }]],
    ])('take %s of an instrument with ticks %j', async (side, ticks) => {
      const symbol = await addInstrument(sql);
      for (const [at, prices] of ticks.entries()) await tick(symbol, prices, at);
      await add(symbol);
      expect(await of(symbol)).toEqual([`1m ${side} sma 20`]);
    });

    it('take the side of the first ticks when these come later, as the same indicator', async () => {
      const symbol = await addInstrument(sql);
      const id = Number(await add(symbol));
      await add(symbol, 30, 'mid');
      expect(await settle()).toBe(0);
      await tick(symbol, { last: 1 });
      await sql`select indicator.beat('{classical}')`;
      expect(await of(symbol)).toEqual(['1m last sma 20', '1m mid sma 30']);
      expect(await add(symbol)).toBe(id);
      const filters = await sql`
        select f.side from outbox.filters as f where f.instrument_id = feed.instrument_id(${symbol}) order by 1`;
      expect(filters.map(row => row.side)).toEqual(['last', 'mid']);
      await sql`select indicator.remove(${symbol}, '1m', 'sma', '{"period": 30}')`;
      await tick(symbol, quoted, 1);
      expect(await settle()).toBe(0);
      expect(await of(symbol)).toEqual(['1m last sma 20']);
    });

    it('stay mid when the first ticks have it', async () => {
      const symbol = await addInstrument(sql);
      await add(symbol);
      await tick(symbol, quoted);
      expect(await settle()).toBe(0);
      await sql`select from indicator.definitions where is_side_open`;
      expect(await sql`select from indicator.definitions where is_side_open`).toHaveLength(0);
    });

    it('are one with what was asked for on that side', async () => {
      const symbol = await addInstrument(sql);
      const id = Number(await add(symbol, 20, 'last'));
      await add('*');
      expect(await of(symbol)).toEqual(['1m last sma 20', '1m mid sma 20']);
      await tick(symbol, { last: 1 });
      expect(await settle()).toBe(1);
      expect(await of(symbol)).toEqual(['1m last sma 20']);
      expect(await remove(symbol, 20, 'last')).toBe(0);
      const rows = await sql`select indicator_id from indicator.definitions
        where instrument_id = feed.instrument_id(${symbol})`;
      expect([...rows]).toEqual([{ indicator_id: id }]);
      expect(await remove('*')).toBe(1);
    });
  });
});
