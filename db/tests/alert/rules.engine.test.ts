import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { detect, eventsOf, toldOf } from '../../../tests/support/alerts.ts';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { addIndicator, catchUp, registerCatalog } from '../../../tests/support/indicators.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

const webhook = 'https://example.org/hook';
const cross = { fast: 1, slow: 2 };

describeOnEngine('An alert rule', ({ sql }) => {
  const feed = createFeed(sql);
  let symbol: string;
  let indicatorId: number;

  beforeAll(() => registerCatalog(sql));

  beforeEach(async () => {
    await sql`delete from alert.rules`;
    symbol = await addInstrument(sql);
    // Its value is half of what the close has moved.
    indicatorId = await addIndicator(sql, symbol, cross);
    await price(0, 10);
    await price(1, 9);
    await settle();
  });

  /** A price in a minute after 10:00, at a second of it. */
  const price = (minute: number, bid: number, second = 5) =>
    feed.recordTicks('manual', [tickOf(symbol, secondsAfter(60 * minute + second), { bid })]);

  async function settle(): Promise<void> {
    await catchUp(sql);
    await detect(sql);
  }

  async function add(rest: Readonly<Record<string, unknown>> = {}): Promise<number> {
    const given = {
      name: 'turns',
      kind: 'verdict',
      symbol,
      timeframe: '1m',
      indicator: 'ma_cross',
      params: cross,
      side: 'bid',
      webhook,
      ...rest,
    };
    return addRule(given);
  }

  async function addRule(given: Readonly<Record<string, unknown>>): Promise<number> {
    const named = Object.entries(given).filter(([, value]) => value !== undefined);
    const list = named.map(([name], index) => `${name} => $${index + 1}${castOf(name)}`);
    const values = named.map(([name, value]) =>
      name === 'params' ? JSON.stringify(value) : (value as string),
    );
    const [row] = await sql.unsafe<[{ id: number }]>(
      `select alert.add(${list.join(', ')}) as id`,
      values,
    );
    return row.id;
  }

  const told = (ruleId: number) => toldOf(sql, ruleId);

  /** Stores values of the indicator as its service would; `minute` counts from 10:00. */
  async function store(
    values: readonly {
      minute: number;
      value: number;
      verdict: number;
      forecast?: [number, number];
    }[],
    ofIndicator = indicatorId,
  ): Promise<void> {
    for (const { minute, value, verdict, forecast } of values) {
      await sql`
        select indicator.record_values(
          array[${ofIndicator}::int], array[${secondsAfter(60 * minute)}::text::timestamptz],
          array[(select array_fill(${value}::float8, array[jsonb_array_length(k.outputs)])::text
            from indicator.definitions as d join indicator.kinds as k using (kind) where d.indicator_id = ${ofIndicator})],
          array[${verdict}::smallint], array[${verdict}::real], array[${forecast === undefined ? null : 4}::int],
          array[${forecast?.[0] ?? null}::float8], array[${forecast?.[1] ?? null}::float8], array[2], array[nextval('outbox.revision')])`;
    }
  }

  describe('on a verdict', () => {
    it('fires when it becomes another, once for each transition', async () => {
      const rule = await add();
      await price(2, 11);
      await settle();
      await price(3, 12);
      await settle();
      await price(4, 8);
      await settle();
      await detect(sql);
      expect(await told(rule)).toEqual([
        '10:02 fired bearish > bullish',
        '10:04 fired bullish > bearish',
      ]);
      const [first] = await eventsOf(sql, rule);
      expect(first?.body).toMatchObject({
        schema_version: 1,
        event_id: first?.event_id,
        event: 'fired',
        refers_to: null,
        rule: { rule_id: rule, name: 'turns', kind: 'verdict' },
        symbol,
        source: 'manual',
        is_simulated: false,
        timeframe: '1m',
        side: 'bid',
        indicator: { indicator_id: indicatorId, kind: 'ma_cross', params: cross },
        bucket: '2026-03-02T10:02:00.000000Z',
        is_closed: true,
        from: 'bearish',
        to: 'bullish',
        value: 1,
        verdict: 1,
        price: 11,
      });
      const [queued] = await sql`select count(*)::int from alert.deliveries`;
      expect(queued).toEqual({ count: 2 });
    });

    it('fires on the states that it was asked for', async () => {
      const rule = await add({ becomes: ['bullish'] });
      await price(2, 11);
      await price(3, 8);
      await price(4, 9);
      await settle();
      expect(await told(rule)).toEqual([
        '10:02 fired bearish > bullish',
        '10:04 fired bearish > bullish',
      ]);
    });

    it('does not tell what was so before it was added, nor that this is taken back', async () => {
      await price(2, 11);
      await settle();
      const rule = await add();
      expect(await told(rule)).toEqual(['10:02 fired bearish > bullish (known)']);
      await price(2, 8, 10);
      await settle();
      expect(await told(rule)).toEqual([
        '10:02 fired bearish > bullish (known)',
        '10:02 taken back bearish > bearish (known)',
      ]);
      expect(await sql`select from alert.deliveries`).toHaveLength(0);
    });

    it('takes back what a late tick says that it was not, and names it', async () => {
      const rule = await add();
      await price(2, 11);
      await price(3, 12);
      await settle();
      await price(2, 8, 10);
      await settle();
      expect(await told(rule)).toEqual([
        '10:02 fired bearish > bullish',
        '10:02 taken back bearish > bearish',
        '10:03 fired bearish > bullish',
      ]);
      const [first, second] = await eventsOf(sql, rule);
      expect(second).toMatchObject({
        refers_to: first?.event_id,
        body: { event: 'taken back', refers_to: first?.event_id, from: 'bearish', to: 'bearish' },
      });
      // And what a still later one says that it was after all.
      await price(2, 20, 20);
      await settle();
      expect((await told(rule)).slice(3)).toEqual([
        '10:02 fired bearish > bullish',
        '10:03 taken back bullish > bearish',
        '10:03 fired bullish > bearish',
      ]);
    });

    it('compares a candle with one that came later in between', async () => {
      const rule = await add();
      await price(4, 11);
      await settle();
      expect(await told(rule)).toEqual(['10:04 fired bearish > bullish']);
      await price(3, 12);
      await settle();
      expect((await told(rule)).slice(1)).toEqual([
        '10:03 fired bearish > bullish',
        '10:04 taken back bullish > bearish',
        '10:04 fired bullish > bearish',
      ]);
    });

    it('looks at nothing older than itself, and has nothing older marked', async () => {
      await price(2, 8);
      await price(3, 7);
      await settle();
      const rule = await add();
      await price(1, 20, 10);
      await catchUp(sql);
      const marked = await sql`select to_char(bucket, 'HH24:MI') as minute from indicator.marks`;
      expect([...marked]).toEqual([]);
      await detect(sql);
      expect(await told(rule)).toEqual([]);
      // An older rule on the same candles still sees what is older than this one.
      await sql`update alert.rules set from_bucket = '2026-03-02 10:02Z'`;
      await price(2, 20, 10);
      await catchUp(sql);
      expect(
        await sql`select from indicator.marks where bucket = '2026-03-02 10:02Z'`,
      ).toHaveLength(1);
    });

    it('takes nothing back because the candle before it is not kept any more', async () => {
      const rule = await add();
      await price(2, 11);
      await price(3, 8);
      await settle();
      const events = ['10:02 fired bearish > bullish', '10:03 fired bullish > bearish'];
      expect(await told(rule)).toEqual(events);
      await sql`delete from indicator.values where indicator_id = ${indicatorId} and bucket < ${secondsAfter(180)}`;
      await store([{ minute: 3, value: -1, verdict: -1 }]);
      await detect(sql);
      expect(await told(rule)).toEqual(events);
    });
  });

  it('has told in the end what the values say, in whatever order and portions they came', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            minute: fc.integer({ min: 2, max: 9 }),
            second: fc.integer({ min: 0, max: 59 }),
            bid: fc.integer({ min: 8, max: 12 }),
            isLooked: fc.boolean(),
          }),
          { minLength: 1, maxLength: 25 },
        ),
        async ticks => {
          symbol = await addInstrument(sql);
          await addIndicator(sql, symbol, cross);
          await price(0, 10);
          await price(1, 9);
          await settle();
          const rule = await add();
          for (const { minute, second, bid, isLooked } of ticks) {
            await price(minute, bid, second);
            if (isLooked) await settle();
          }
          await settle();
          const values = await sql<{ minute: string; from: string; to: string }[]>`
            select v.minute, v.from, v.to from (
              select to_char(l.bucket, 'HH24:MI') as minute, s.states[l.verdict + 2] as to,
                lag(s.states[l.verdict + 2]) over (order by l.bucket) as from
              from indicator.values as l, (values ('{bearish,neutral,bullish}'::text[])) as s(states)
              where l.indicator_id = (select r.indicator_id from alert.rules as r where r.rule_id = ${rule}) and l.verdict is not null
            ) as v where v.from <> v.to order by v.minute`;
          const standing = new Map<string, string>();
          for (const { event, minute, to_state, refers_to } of await eventsOf(sql, rule)) {
            // Each of them is told once at a time, and none is taken back that was not told.
            expect(standing.has(String(minute))).toBe(event === 'taken back');
            expect(refers_to === null).toBe(event === 'fired');
            if (event === 'fired') standing.set(String(minute), String(to_state));
            else standing.delete(String(minute));
          }
          expect([...standing].sort()).toEqual(values.map(({ minute, to }) => [minute, to]));
        },
      ),
      { numRuns: 15, seed: 20_261_129, endOnFailure: true },
    );
  });

  it('is quiet for its cooldown after it fired, and takes back what it told all the same', async () => {
    const rule = await add({ cooldown: '1 hour' });
    await price(2, 11);
    await settle();
    await price(3, 8);
    await settle();
    await price(2, 5, 10);
    await price(3, 4, 10);
    await settle();
    expect(await told(rule)).toEqual([
      '10:02 fired bearish > bullish',
      '10:03 fired bullish > bearish (cooldown)',
      '10:02 taken back bearish > bearish',
      '10:03 taken back bearish > bearish (cooldown)',
    ]);
    await sql`update alert.events set created_at = created_at - interval '2 hours'`;
    await price(4, 9);
    await settle();
    expect((await told(rule)).at(-1)).toBe('10:04 fired bearish > bullish');
    expect(await sql`select from alert.deliveries`).toHaveLength(3);
  });

  it('that is on closed candles only waits until the last state of one is in its value', async () => {
    const open = await add();
    const closed = await add({ closed_only: true });
    await price(2, 11);
    await catchUp(sql);
    await sql`update outbox.candles set is_closed = false
      where instrument_id = feed.instrument_id(${symbol}) and bucket = ${secondsAfter(120)}`;
    await detect(sql);
    expect(await told(open)).toHaveLength(1);
    expect(await told(closed)).toEqual([]);
    // It closes, and the value of the state before is stored once more.
    await sql`update outbox.candles set is_closed = true, revision = nextval('outbox.revision') + 2
      where instrument_id = feed.instrument_id(${symbol}) and bucket = ${secondsAfter(120)}`;
    await store([{ minute: 2, value: 1, verdict: 1 }]);
    await detect(sql);
    expect(await told(closed)).toEqual([]);
    await store([{ minute: 2, value: 1, verdict: 1 }]);
    await detect(sql);
    expect(await told(closed)).toEqual(['10:02 fired bearish > bullish']);
    // One that forms, for its end lies ahead.
    const [row] = await sql<[{ minute: number }]>`
      select ceil(extract(epoch from now() - '2026-03-02 10:00Z') / 60)::int + 60 as minute`;
    await store([{ minute: row.minute, value: -1, verdict: -1 }]);
    await detect(sql);
    expect(await told(open)).toHaveLength(2);
    expect(await told(closed)).toHaveLength(1);
  });

  it('on a value fires when it crosses its level, up and down', async () => {
    const rule = await add({ kind: 'value', level: 0.5 });
    const up = await add({ kind: 'value', level: 0.5, becomes: ['above'], output: 'fast' });
    await store([
      { minute: 2, value: 0.4, verdict: 1 },
      { minute: 3, value: 0.6, verdict: 1 },
      { minute: 4, value: 0.5, verdict: 1 },
      { minute: 5, value: 0.4, verdict: 1 },
      { minute: 6, value: 0.7, verdict: 1 },
    ]);
    await detect(sql);
    expect(await told(rule)).toEqual([
      '10:03 fired below > above',
      '10:05 fired at > below',
      '10:06 fired below > above',
    ]);
    // It was a price, above, before.
    expect(await told(up)).toEqual(['10:03 fired below > above', '10:06 fired below > above']);
    expect((await eventsOf(sql, up)).at(-1)?.body).toMatchObject({ level: 0.5, output: 'fast' });
  });

  it('on a forecast fires when its interval leaves the close, or a level', async () => {
    const [row] = await sql<[{ id: number }]>`
      select indicator.add(${symbol}, '1m', 'drift', '{"period": 20}', 'bid') as id`;
    const about = { kind: 'forecast', indicator: 'drift', params: { period: 20 } };
    await store([{ minute: 1, value: 10, verdict: 0, forecast: [9, 11] }], row.id);
    const price_ = await add(about);
    const level = await add({ ...about, level: 12, becomes: ['above'] });
    const expected = await add({ ...about, output: 'forecast' });
    for (const [minute, bid] of [10, 10, 10, 10, 10].entries()) await price(2 + minute, bid);
    await catchUp(sql);
    await store(
      [
        { minute: 2, value: 10, verdict: 0, forecast: [9, 11] },
        { minute: 3, value: 11, verdict: 1, forecast: [10.5, 11.5] },
        { minute: 4, value: 13, verdict: 1, forecast: [12.5, 13.5] },
        { minute: 5, value: 8, verdict: -1, forecast: [7, 9] },
        { minute: 6, value: 10, verdict: 0, forecast: [9, 13] },
      ],
      row.id,
    );
    await detect(sql);
    expect(await told(price_)).toEqual([
      '10:03 fired inside > above',
      '10:05 fired above > below',
      '10:06 fired below > inside',
    ]);
    expect(await told(level)).toEqual(['10:04 fired below > above']);
    expect(await told(expected)).toEqual(['10:03 fired at > above', '10:05 fired above > below']);
    expect((await eventsOf(sql, price_))[0]?.body).toMatchObject({
      forecast: { horizon: 4, low: 10.5, high: 11.5 },
      price: 10,
      level: null,
    });
    // What was captured is forgotten after some days: the candles are there.
    const all = await Promise.all([price_, level, expected].map(told));
    await sql`delete from outbox.candles where instrument_id = feed.instrument_id(${symbol})`;
    await store(
      [
        { minute: 2, value: 10, verdict: 0, forecast: [9, 11] },
        { minute: 3, value: 11, verdict: 1, forecast: [10.5, 11.5] },
        { minute: 5, value: 8, verdict: -1, forecast: [7, 9] },
      ],
      row.id,
    );
    await detect(sql);
    expect(await Promise.all([price_, level, expected].map(told))).toEqual(all);
    await store([{ minute: 5, value: 10, verdict: 0, forecast: [9, 11] }], row.id);
    await detect(sql);
    expect((await told(price_)).slice(3)).toEqual([
      '10:05 taken back above > inside',
      '10:05 fired above > inside',
      '10:06 taken back inside > inside',
    ]);
    expect((await eventsOf(sql, price_)).at(-1)?.body).toMatchObject({ price: 10 });
    await expect(add({ kind: 'forecast' })).rejects.toMatchObject({
      code: 'ALERT',
      message: 'indicator ma_cross makes no forecast',
    });
  });

  it('on a rating fires on its band, when all votes of a candle are there', async () => {
    const [{ votes }] = await sql<[{ votes: string }]>`
      select jsonb_agg(v order by v.place)::text as votes from rating.votes as v`;
    await sql`delete from rating.votes`;
    await sql`insert into rating.votes (vote_group, kind, params)
      values ('oscillators', 'ma_cross', '{"fast": 1, "slow": 2}'), ('oscillators', 'ma_cross', '{"fast": 1, "slow": 3}')`;
    await sql`select indicator.add_set(${symbol}, '1m', 'rating', 'bid')`;
    const [other] = await sql<[{ id: number }]>`
      select indicator.add(${symbol}, '1m', 'ma_cross', '{"fast": 1, "slow": 3}', 'bid') as id`;
    const about = { indicator: undefined, params: undefined };
    const rule = await add({ ...about, kind: 'rating', becomes: ['strong buy', 'neutral'] });
    await price(2, 8);
    await settle();
    await store([{ minute: 3, value: 1, verdict: 1 }]);
    await detect(sql);
    expect(await told(rule)).toEqual([]);
    await store([{ minute: 3, value: 1, verdict: 1 }], other.id);
    await detect(sql);
    expect(await told(rule)).toEqual(['10:03 fired strong sell > strong buy']);
    const [{ body } = { body: {} }] = await eventsOf(sql, rule);
    expect(body).toMatchObject({ rating: 1, votes: 2, counted: 2, to: 'strong buy' });
    await store([{ minute: 3, value: 1, verdict: -1 }], other.id);
    await detect(sql);
    expect(await told(rule)).toHaveLength(3);
    expect((await told(rule)).slice(1)).toEqual([
      '10:03 taken back strong sell > neutral',
      '10:03 fired strong sell > neutral',
    ]);
    await sql`select indicator.remove_set(${symbol}, '1m', 'rating', 'bid')`;
    expect(await sql`select from alert.rules where rule_id = ${rule}`).toHaveLength(0);
    await expect(add({ ...about, kind: 'rating' })).rejects.toMatchObject({ code: 'NORAT' });
    await sql`delete from rating.votes`;
    await sql`insert into rating.votes (vote_group, kind, params, weight)
      select v.vote_group, v.kind, v.params, v.weight
      from jsonb_populate_recordset(null::rating.votes, ${votes}::text::jsonb) as v order by v.place`;
  });

  it('on faults fires once when there are some, and says when it is over', async () => {
    const [webDown] = ['process web is not running'];
    const any = await addRule({ name: 'ill', kind: 'fault', queue: 'faults' });
    const web = await addRule({
      name: 'page',
      kind: 'fault',
      queue: 'faults',
      fault: 'Process WEB',
    });
    const see = async (faults: string[]) => {
      await sql`select alert.compare_faults(${faults}::text[])`;
    };
    await see([]);
    await see(['queue x is gone']);
    await see(['queue x is gone', webDown]);
    await see([webDown]);
    await see([webDown]);
    await see([]);
    await see([webDown]);
    const short = async (rule: number) =>
      (await eventsOf(sql, rule)).map(({ event, body }) => [event, body.faults]);
    expect(await short(any)).toEqual([
      ['fired', ['queue x is gone']],
      ['over', []],
      ['fired', [webDown]],
    ]);
    expect(await short(web)).toEqual([
      ['fired', [webDown]],
      ['over', []],
      ['fired', [webDown]],
    ]);
    const [fired, over] = await eventsOf(sql, any);
    expect(over?.refers_to).toBe(fired?.event_id);
    expect(await sql`select from alert.deliveries`).toHaveLength(6);
    // What is wrong when it is added is known.
    const later = await addRule({ name: 'later', kind: 'fault', queue: 'faults' });
    await see([webDown]);
    await see([]);
    expect(await eventsOf(sql, later)).toMatchObject([
      { event: 'fired', held_back: 'known' },
      { event: 'over', held_back: 'known' },
    ]);
  });

  it('on faults looks at those that ops.status tells, at most every five seconds', async () => {
    const rule = await addRule({ name: 'ill', kind: 'fault', queue: 'faults' });
    await sql`select ops.see_faults()`;
    const [event] = await eventsOf(sql, rule);
    const [status] = await sql<[{ faults: string[] }]>`select faults from ops.status`;
    expect(status.faults.length).toBeGreaterThan(3);
    expect(event?.body.faults).toEqual(status.faults);
    const [again] = await sql`select alert.are_faults_due() as is_due`;
    expect(again).toEqual({ is_due: false });
    await sql`update alert.rules set seen_at = now() - interval '6 seconds'`;
    const [later] = await sql`select alert.are_faults_due() as is_due`;
    expect(later).toEqual({ is_due: true });
  });

  describe('is noted once', () => {
    it('whoever dies in the middle of a look', async () => {
      const rule = await add();
      await price(2, 11);
      await catchUp(sql);
      await withSessions(sql, async (first, second) => {
        await first.sql`begin`;
        await first.sql`select alert.detect()`;
        // Another one does not wait, and notes nothing.
        const [row] = await second.sql`select alert.detect() as looked`;
        expect(row).toEqual({ looked: 0 });
        await first.sql`rollback`;
        await second.sql`select alert.detect()`;
      });
      expect(await told(rule)).toEqual(['10:02 fired bearish > bullish']);
    });

    it('also when it is paused and resumed while somebody looks', async () => {
      const rule = await add();
      await price(2, 11);
      await catchUp(sql);
      await withSessions(sql, async (first, second) => {
        await first.sql`begin`;
        await first.sql`select alert.detect()`;
        const pausing = (async () => {
          await second.sql`select alert.pause(${rule})`;
          await second.sql`select alert.resume(${rule})`;
        })();
        await untilBlocked(sql, second);
        await first.sql`commit`;
        await pausing;
      });
      expect(await told(rule)).toEqual(['10:02 fired bearish > bullish']);
      await price(3, 8);
      await settle();
      expect((await told(rule)).slice(1)).toEqual(['10:03 fired bullish > bearish']);
    });

    it('also what is stored while somebody looks', async () => {
      const rule = await add();
      await price(2, 11);
      await catchUp(sql);
      await withSessions(sql, async (first, second) => {
        await first.sql`begin`;
        await first.sql`select alert.detect()`;
        await second.sql`begin`;
        // Who stores does not wait for who looks.
        await store([{ minute: 2, value: 1, verdict: 1 }]);
        await store([{ minute: 3, value: -1, verdict: -1 }]);
        await second.sql`rollback`;
        await first.sql`commit`;
      });
      await detect(sql);
      expect(await told(rule)).toEqual([
        '10:02 fired bearish > bullish',
        '10:03 fired bullish > bearish',
      ]);
    });

    it('also what is stored while the rule is added', async () => {
      let rule = 0;
      await withSessions(sql, async (first, second) => {
        await first.sql`begin`;
        await first.sql`select indicator.record_values(
          array[${indicatorId}::int], array[${secondsAfter(120)}::text::timestamptz], '{"{1,1,1}"}', '{1}', '{1}', '{null}', '{null}', '{null}',
          '{2}', array[nextval('outbox.revision')])`;
        const adding = second.sql<[{ id: number }]>`
          select alert.add('turns', 'verdict', ${symbol}, '1m', 'ma_cross', '{"fast": 1, "slow": 2}', 'bid', webhook => ${webhook}) as id`;
        const added = adding.then(([row]) => {
          rule = row.id;
        });
        await untilBlocked(sql, second);
        await first.sql`commit`;
        await added;
      });
      expect(await told(rule)).toEqual(['10:02 fired bearish > bullish (known)']);
      await store([{ minute: 3, value: -1, verdict: -1 }]);
      await detect(sql);
      expect((await told(rule)).slice(1)).toEqual(['10:03 fired bullish > bearish']);
    });
  });

  it('that is paused sees nothing until it is resumed', async () => {
    const rule = await add();
    await sql`select alert.pause(${rule})`;
    expect(await sql`select from indicator.watched`).toHaveLength(0);
    await price(2, 11);
    await settle();
    expect(await sql`select from indicator.marks`).toHaveLength(0);
    await sql`select alert.resume(${rule})`;
    expect(await told(rule)).toEqual(['10:02 fired bearish > bullish (known)']);
    await price(3, 8);
    await settle();
    expect((await told(rule)).slice(1)).toEqual(['10:03 fired bullish > bearish']);
    await expect(sql`select alert.pause(-1)`).rejects.toMatchObject({ code: 'NORUL' });
  });

  it('costs who stores values nothing where there is none, nor who asks whether there is work', async () => {
    await price(2, 11);
    await catchUp(sql);
    expect(await sql`select from indicator.marks`).toHaveLength(0);
    const duties = async () => {
      const [row] = await sql<[{ is_watching: boolean; is_now: boolean | null }]>`
        select alert.is_watching(), alert.next_work_at() <= statement_timestamp() as is_now`;
      return row;
    };
    expect(await duties()).toEqual({ is_watching: false, is_now: null });
    const faults = await addRule({ name: 'ill', kind: 'fault', queue: 'faults' });
    expect(await duties()).toEqual({ is_watching: false, is_now: true });
    await sql`update alert.rules set seen_at = now() + interval '1 hour'`;
    expect(await duties()).toEqual({ is_watching: false, is_now: false });
    await sql`select alert.remove(${faults})`;
    const other = await addInstrument(sql);
    await addIndicator(sql, other, cross);
    await add({ symbol: other });
    await price(3, 12);
    await catchUp(sql);
    expect(await sql`select from indicator.marks`).toHaveLength(0);
  });

  describe('goes', () => {
    it('with its indicator', async () => {
      const rule = await add();
      await price(2, 11);
      await settle();
      await sql`select indicator.remove(${indicatorId})`;
      expect(await told(rule)).toEqual([]);
      expect(await sql`select from alert.rules`).toHaveLength(0);
      expect(await sql`select from indicator.watched`).toHaveLength(0);
      await expect(add()).rejects.toMatchObject({
        code: 'NOIND',
        message: `there is no indicator ma_cross {"fast": 1, "slow": 2} on ${symbol} 1m bid`,
      });
    });

    it('with its instrument', async () => {
      await add();
      await price(2, 11);
      await catchUp(sql);
      await sql`update feed.instruments set is_active = false where symbol = ${symbol}`;
      await sql`call feed.remove_instrument(${symbol})`;
      await detect(sql);
      expect(await sql`select from alert.rules`).toHaveLength(0);
      expect(await sql`select from indicator.marks`).toHaveLength(0);
      await expect(add()).rejects.toMatchObject({ code: 'NOINS' });
    });

    it('when it is removed, with what is not delivered', async () => {
      const rule = await add();
      await price(2, 11);
      await settle();
      const [row] = await sql`
        select alert.remove(${rule}) as was_there, alert.remove(${rule}) as is_there`;
      expect(row).toEqual({ was_there: true, is_there: false });
      expect(await sql`select from alert.deliveries`).toHaveLength(0);
      expect(await sql`select from alert.secrets`).toHaveLength(0);
    });
  });

  it('follows its indicator to the side that the first ticks tell', async () => {
    const other = await addInstrument(sql);
    const about = { symbol: other, side: undefined };
    await sql`select indicator.add(${other}, '1m', 'ma_cross', ${JSON.stringify(cross)}::text::jsonb)`;
    const rule = await add(about);
    const trade = (minute: number, last: number) =>
      feed.recordTicks('manual', [tickOf(other, secondsAfter(60 * minute), { last })]);
    await trade(0, 10);
    await trade(1, 9);
    await sql`select indicator.settle_sides()`;
    await settle();
    await sql`update alert.rules set from_bucket = '2026-03-02Z'`;
    await trade(2, 11);
    await settle();
    expect(await told(rule)).toEqual(['10:02 fired bearish > bullish']);
    expect((await eventsOf(sql, rule))[0]?.body).toMatchObject({ side: 'last' });
  });

  it('is refused with the parameter that is wrong and what is allowed', async () => {
    const cases: [Record<string, unknown>, string][] = [
      [
        { kind: 'price' },
        "kind must be one of verdict, value, rating, forecast, fault, not 'price'",
      ],
      [{ name: '' }, 'name must be a line of 1 to 80 characters'],
      [{ name: 'a\nb' }, 'name must be a line of 1 to 80 characters'],
      [{ symbol: undefined }, 'a rule on a verdict needs symbol'],
      [{ kind: 'value' }, 'a rule on a value needs level'],
      [{ level: 3 }, 'a rule on a verdict takes no level'],
      [{ output: 'fast' }, 'a rule on a verdict takes no output'],
      [{ fault: 'x' }, 'a rule on a verdict takes no fault'],
      [{ kind: 'rating' }, 'a rule on a rating takes no indicator'],
      [{ kind: 'fault' }, 'a rule on a fault takes no symbol'],
      [
        { becomes: ['bullish', 'up'] },
        "becomes must be some of bullish, neutral, bearish, not 'up'",
      ],
      [{ becomes: [] }, 'becomes must be some of bullish, neutral, bearish, not 0 of them'],
      [{ kind: 'value', level: 'NaN' }, 'level must be a number, not NaN'],
      [{ cooldown: '-1 s' }, 'cooldown must be from 0 to 30 days, not -00:00:01'],
      [{ closed_only: null }, 'closed_only must be true or false, not null'],
      [{ webhook: undefined }, 'either webhook or queue must say where it is told'],
      [{ queue: 'alerts' }, 'either webhook or queue must say where it is told'],
      [
        { webhook: undefined, queue: 'a b' },
        'queue must be the name of an SQS queue: 1 to 80 letters, digits, - and _',
      ],
      ...[
        'ftp://example.org',
        'https://',
        'https://user:secret@example.org/',
        'https://user@example.org/',
        'https://example.org/a b',
        'https://example.org\\@localhost/',
        `https://example.org/${'x'.repeat(2_000)}`,
      ].map((url): [Record<string, unknown>, string] => [
        { webhook: url },
        'webhook must be a URL that begins with https:// or http://, of at most 2000 characters of ASCII, without a user and password',
      ]),
      [{ kind: 'value', level: 1, output: 'rsi' }, "ma_cross has no output 'rsi'"],
    ];
    for (const [rest, message] of cases) {
      await expect(add(rest), message).rejects.toMatchObject({ code: 'ALERT', message });
    }
    for (const [rest, code] of [
      [{ symbol: 'NOBODY' }, 'NOINS'],
      [{ timeframe: '2m' }, 'NOTFR'],
      [{ side: 'offer' }, 'NOSID'],
      [{ indicator: 'nothing' }, 'NOKIN'],
      [{ params: { fast: 0 } }, 'PARAM'],
      [{ params: { fast: 7 } }, 'NOIND'],
    ] as const) {
      await expect(add(rest), code).rejects.toMatchObject({ code });
    }
    expect(await sql`select from alert.rules`).toHaveLength(0);
  });

  it('sends an example when it is tested', async () => {
    const rule = await add();
    const [row] = await sql<[{ id: string }]>`select alert.test(${rule}) as id`;
    expect(await eventsOf(sql, rule)).toMatchObject([
      { event_id: row.id, event: 'test', body: { event: 'test', to: 'bearish', value: -0.5 } },
    ]);
    await sql`select alert.test(${rule})`;
    expect(await sql`select from alert.deliveries`).toHaveLength(2);
    await expect(sql`select alert.test(-1)`).rejects.toMatchObject({ code: 'NORUL' });
    await sql`select alert.pause(${rule})`;
    await expect(sql`select alert.test(${rule})`).rejects.toMatchObject({ code: 'ALERT' });
  });

  it('has its events for as long as the settings say, and none of them twice', async () => {
    const rule = await add();
    await price(2, 11);
    await settle();
    await price(3, 8);
    await settle();
    await sql`update alert.settings set retain_for = '1000 days'`;
    await sql`select alert.purge()`;
    expect(await told(rule)).toHaveLength(2);
    await sql`update alert.events set created_at = now() - interval '91 days' where to_state = 'bullish'`;
    await sql`update alert.settings set retain_for = '90 days'`;
    await sql`select alert.purge()`;
    expect(await told(rule)).toEqual(['10:03 fired bullish > bearish']);
    // Its values change, and are older than what is remembered.
    await price(2, 12, 10);
    await settle();
    expect(await told(rule)).toEqual(['10:03 fired bullish > bearish']);
    for (const wrong of [
      { retain_for: '1 hour' },
      { give_up_after: '0' },
      { give_up_after: '91 days' },
    ]) {
      await expect(sql`update alert.settings set ${sql(wrong)}`).rejects.toMatchObject({
        code: '23514',
      });
    }
  });
});

const castOf = (name: string): string =>
  ({
    params: '::text::jsonb',
    becomes: '::text[]',
    level: '::float8',
    closed_only: '::boolean',
    cooldown: '::interval',
  })[name] ?? '::text';
