import { beforeAll, describe, expect, it } from 'vitest';
import {
  addInstrument,
  describeOnEngine,
  testLogger,
  withEmptyDatabase,
} from '../../../tests/support/database.ts';
import { catchUp, computeAll, registerCatalog } from '../../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { votes } from '../../../tests/support/votes.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { migrate } from '../../migrate.ts';
import { openDatabase } from '../../runtime/database.ts';

interface Rating {
  readonly timeframe: string;
  readonly side: string;
  readonly minute: string;
  readonly rating: number | null;
  readonly band: string | null;
  readonly moving_averages: number | null;
  readonly moving_averages_band: string | null;
  readonly oscillators: number | null;
  readonly buy: number;
  readonly neutral: number;
  readonly sell: number;
  readonly counted: number;
  readonly votes: number;
}

interface VoteRow {
  readonly vote_group: string;
  readonly kind: string;
  readonly label: string;
  readonly params: object;
  readonly weight: string;
  readonly verdict: number | null;
  readonly value: number | null;
  readonly state: string;
  readonly indicator_id: number | null;
}

describeOnEngine('A new installation', () => {
  it('rates every instrument, by votes that 23 hours of history are enough for', async () => {
    await withEmptyDatabase(async url => {
      await migrate({ url, logger: testLogger });
      const sql = openDatabase({ url, process: 'test', logger: testLogger, statementTimeout: 0 });
      try {
        await registerCatalog(sql);
        await addInstrument(sql);
        const [row] = await sql`
          select count(*)::int as votes, max(bars_required * t.width) <= '23 hours' as is_warm
          from indicator.definitions join feed.timeframes as t using (timeframe)`;
        expect(row).toEqual({ votes: votes.length, is_warm: true });
        const [removed] = await sql`select indicator.remove_set('*', '5m', 'rating') as count`;
        expect(removed).toEqual({ count: votes.length });
      } finally {
        await sql.end();
      }
    });
  });
});

describeOnEngine('The rating', ({ sql }) => {
  const feed = createFeed(sql);

  describe('says in words', () => {
    it.each([
      [1, 'strong buy'],
      [0.500001, 'strong buy'],
      [0.5, 'buy'],
      [0.100001, 'buy'],
      [0.1, 'neutral'],
      [0.1 + 2 ** -54, 'neutral'],
      [0, 'neutral'],
      [-0.1, 'neutral'],
      [-0.100001, 'sell'],
      [-0.5, 'sell'],
      [-0.500001, 'strong sell'],
      [-1, 'strong sell'],
      [null, null],
    ])('%d as %s', async (value, band) => {
      const [row] = await sql`select rating.band(${value}) as band`;
      expect(row).toEqual({ band });
    });
  });

  describe('is the mean of', () => {
    const tally = async (given: readonly (readonly [string, number, number | null])[]) => {
      const [row] = await sql`
        select * from rating.tally(${given.map(each => each[0])}::text[],
          ${given.map(each => each[1])}::numeric[], ${given.map(each => each[2])}::int2[])`;
      return row;
    };
    const [average, oscillator] = ['moving averages', 'oscillators'];

    it('both groups, each the mean of its votes, however many these are', async () => {
      expect(
        await tally([
          [average, 1, 1],
          [average, 1, 1],
          [average, 1, -1],
          [average, 1, 0],
          [oscillator, 1, -1],
          [oscillator, 1, null],
        ]),
      ).toEqual({
        rating: (0.25 - 1) / 2,
        moving_averages: 0.25,
        oscillators: -1,
        buy: 2,
        neutral: 1,
        sell: 2,
        counted: 5,
      });
    });

    it('votes by their weights, of which 0 is none', async () => {
      expect(
        await tally([
          [average, 3, 1],
          [average, 1, -1],
          [average, 0, -1],
          [oscillator, 0.5, 1],
          [oscillator, 1.5, 0],
        ]),
      ).toMatchObject({ rating: 0.375, moving_averages: 0.5, oscillators: 0.25, counted: 4 });
    });

    it('the group that has votes, and none of none', async () => {
      expect(await tally([[oscillator, 1, 1]])).toMatchObject({
        rating: 1,
        moving_averages: null,
        oscillators: 1,
      });
      const none = { rating: null, moving_averages: null, oscillators: null, counted: 0 };
      expect(await tally([[average, 1, null]])).toMatchObject(none);
      expect(await tally([])).toMatchObject(none);
    });
  });

  describe('of an instrument', () => {
    let symbol = '';
    const bids = Array.from({ length: 90 }, (_, minute) =>
      Number((100 + 3 * Math.sin(minute / 9) + Math.cos(minute * 1.7)).toFixed(3)),
    );

    beforeAll(async () => {
      await registerCatalog(sql);
      symbol = await addInstrument(sql);
      await sql`select indicator.add_set(${symbol}, '1m', 'rating')`;
      await sql`select indicator.add_set(${symbol}, '15m', 'rating')`;
      await feed.recordTicks(
        'manual',
        bids.flatMap((bid, minute) => [
          tickOf(symbol, secondsAfter(60 * minute), { bid, ask: bid + 0.01, seq: 1 }),
          tickOf(symbol, secondsAfter(60 * minute + 30), { bid: bid + 0.2, ask: bid + 0.21 }),
          tickOf(symbol, secondsAfter(60 * minute + 40), { bid, ask: bid + 0.01 }),
        ]),
      );
      await catchUp(sql);
    });

    const ratings = async (of = symbol) => [
      ...(await sql<Rating[]>`
        select r.*, to_char(r.bucket, 'HH24:MI') as minute from rating.latest as r
        join feed.timeframes using (timeframe) where symbol = ${of} order by width`),
    ];
    const votesOf = async (timeframe: string) => [
      ...(await sql<VoteRow[]>`select * from rating.votes_of(${symbol}, ${timeframe})`),
    ];
    const historyOf = async (isSaid: boolean, from = secondsAfter(0)) => [
      ...(await sql<(Rating & { bucket: string })[]>`
        select h.*, to_char(h.bucket, 'HH24:MI') as minute
        from rating.history(${symbol}, '1m', from_time => ${from}, as_said => ${isSaid}) as h`),
    ];
    const meanOf = (all: readonly VoteRow[], group: string) => {
      const said = all.filter(each => each.vote_group === group && each.verdict !== null);
      return said.reduce((sum, each) => sum + (each.verdict ?? 0), 0) / said.length;
    };

    it('has the 26 votes of the set, which are all computed', async () => {
      const rows =
        await sql`select vote_group as group, kind, params, weight from rating.votes order by place`;
      expect([...rows]).toEqual(
        votes.map(({ group, kind, params }) => ({ group, kind, params, weight: '1' })),
      );
      const definitions = await sql`
        select from indicator.definitions where instrument_id = feed.instrument_id(${symbol})`;
      expect(definitions).toHaveLength(2 * votes.length);
    });

    it('is that of the votes that can be computed, and tells how many', async () => {
      const [minutes, quarters] = await ratings();
      const all = await votesOf('1m');
      expect(all).toHaveLength(26);
      // Four averages need 100 candles or 200.
      const counted = all.filter(each => each.state === 'counted');
      expect(counted).toHaveLength(22);
      const [averages, oscillators] = [meanOf(all, 'moving averages'), meanOf(all, 'oscillators')];
      expect(minutes).toMatchObject({
        timeframe: '1m',
        side: 'mid',
        minute: '11:29',
        moving_averages: averages,
        oscillators,
        rating: (averages + oscillators) / 2,
        buy: counted.filter(each => each.verdict === 1).length,
        neutral: counted.filter(each => each.verdict === 0).length,
        sell: counted.filter(each => each.verdict === -1).length,
        counted: 22,
        votes: 26,
        is_closed: true,
      });
      expect(quarters).toMatchObject({ timeframe: '15m', minute: '11:15', counted: 0, votes: 26 });
      expect(quarters).toMatchObject({ rating: null, band: null, moving_averages_band: null });
    });

    it('shows each vote with its indicator and its value, or why it is not counted', async () => {
      for (const vote of await votesOf('1m')) {
        const [value] = await sql`
          select l.value, l.verdict, l.label, l.params from indicator.latest as l
          where l.indicator_id = ${vote.indicator_id}`;
        expect(value).toEqual({
          value: vote.value,
          verdict: vote.verdict,
          label: vote.label,
          params: vote.params,
        });
        const isLong = [100, 200].includes(Number(value?.params.period));
        expect(vote.state).toBe(isLong ? `warming up 90 of ${value?.params.period}` : 'counted');
      }
    });

    it('has a history of closed candles, which its newest is the end of', async () => {
      const history = await historyOf(false);
      const [newest] = await ratings();
      const { minute, rating, band, counted, votes: all } = newest as Rating;
      expect(history.at(-1)).toMatchObject({ minute, rating, band, counted, votes: all });
      expect(history.length).toBeGreaterThan(70);
      for (const each of history.slice(-3)) {
        const rows = await sql<VoteRow[]>`
          select * from rating.votes_of(${symbol}, '1m', bucket => ${each.bucket})`;
        expect(each.moving_averages).toBe(meanOf(rows, 'moving averages'));
        expect(each.oscillators).toBe(meanOf(rows, 'oscillators'));
      }
    });

    it('gives the same bits when all is computed again', async () => {
      const before = await historyOf(false);
      await sql`select ops.recompute(indicator_id) from indicator.definitions`;
      await computeAll(sql);
      expect(await historyOf(false)).toEqual(before);
    });

    it('keeps what was said when a late tick changes what is true', async () => {
      const record = (minute: number, bid: number, seq: number) =>
        feed.recordTicks('manual', [
          tickOf(symbol, secondsAfter(60 * minute + 50), { bid, ask: bid + 0.01, seq }),
        ]);
      await record(90, 100, 0);
      await catchUp(sql);
      const from = secondsAfter(60 * 90);
      const [before] = await historyOf(false, from);
      expect(await historyOf(true, from)).toEqual([before]);
      await record(90, 200, 1);
      await catchUp(sql);
      expect(await historyOf(true, from)).toEqual([before]);
      const [after] = await historyOf(false, from);
      expect(before?.moving_averages).toBeLessThan(0.9);
      // The Hull average alone may be carried beyond the price.
      expect(after?.moving_averages).toBeGreaterThan(0.9);
    });

    it('follows the weights that an operator edits', async () => {
      await sql`update rating.votes set weight = case when kind = 'macd' then 2 else 0 end`;
      const [macd] = (await votesOf('1m')).filter(each => each.kind === 'macd');
      expect(macd?.verdict).not.toBeNull();
      const [minutes] = await ratings();
      expect(minutes).toMatchObject({
        rating: macd?.verdict,
        moving_averages: null,
        oscillators: macd?.verdict,
        counted: 1,
        votes: 1,
      });
      const states = new Set((await votesOf('1m')).map(each => each.state));
      expect(states).toContain('without weight');
      await sql`update rating.votes set weight = 1`;
      await expect(sql`update rating.votes set weight = -1`).rejects.toMatchObject({
        code: '23514',
      });
      await expect(sql`update rating.votes set weight = 'NaN'`).rejects.toMatchObject({
        code: '23514',
      });
    });

    it('gets and loses votes by the table, computed where the set was added', async () => {
      await sql`insert into rating.votes (vote_group, kind, params)
        values ('oscillators', 'rate_of_change', '{}')`;
      const added = (await votesOf('1m')).at(-1);
      expect(added).toMatchObject({
        kind: 'rate_of_change',
        state: 'service classical is not running',
      });
      expect(added?.indicator_id).toEqual(expect.any(Number));
      await computeAll(sql);
      expect((await votesOf('1m')).at(-1)?.state).toBe('counted');
      expect((await ratings())[0]).toMatchObject({ votes: 27, counted: 23 });
      await sql`delete from rating.votes where kind = 'rate_of_change'`;
      expect((await ratings())[0]).toMatchObject({ votes: 26, counted: 22 });
      expect(
        await sql`select from indicator.definitions where kind = 'rate_of_change'`,
      ).toHaveLength(0);
      await expect(
        sql`insert into rating.votes (vote_group, kind, params) values ('oscillators', 'rsi', '{"period": 1}')`,
      ).rejects.toMatchObject({ code: 'PARAM' });
    });

    it('has a mean over timeframes', async () => {
      const [minutes] = await ratings();
      const rows =
        await sql`select timeframe, side, rating, counted, votes from rating.summary(${symbol})`;
      expect([...rows]).toEqual([
        { timeframe: '1m', side: 'mid', rating: minutes?.rating, counted: 22, votes: 26 },
        { timeframe: '15m', side: 'mid', rating: null, counted: 0, votes: 26 },
        { timeframe: null, side: null, rating: minutes?.rating, counted: 22, votes: 52 },
      ]);
    });

    it('is told to be missing where the set was not added, and goes with it', async () => {
      const other = await addInstrument(sql);
      await sql`select indicator.add(${other}, '1m', 'sma')`;
      expect(await ratings(other)).toEqual([]);
      for (const call of [
        `votes_of('${other}', '1m')`,
        `votes_of('${symbol}', '1m', 'bid')`,
        `history('${symbol}', '5m')`,
      ]) {
        await expect(sql.unsafe(`select * from rating.${call}`), call).rejects.toMatchObject({
          code: 'NORAT',
        });
      }
      expect([...(await sql`select * from rating.summary(${other})`)]).toEqual([]);
      await expect(sql`select * from rating.summary('NOBODY')`).rejects.toMatchObject({
        code: 'NOINS',
      });
      await sql`select indicator.remove_set(${symbol}, '15m', 'rating')`;
      expect((await ratings()).map(each => each.timeframe)).toEqual(['1m']);
    });
  });
});
