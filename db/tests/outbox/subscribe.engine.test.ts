import { expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { capturedOf, subscribe, waitingFor } from '../../../tests/support/outbox.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { createOutbox } from '../../../workers/publish/outbox.ts';

describeOnEngine('outbox.subscribe', ({ sql }) => {
  const feed = createFeed(sql);
  const outbox = createOutbox(sql);

  it('delivers the candles of the wanted symbol, timeframe and side, and no others', async () => {
    const [wanted, other] = [await addInstrument(sql), await addInstrument(sql)];
    const name = await subscribe(sql, wanted, { timeframe: '5m', side: 'ask' });
    for (const symbol of [wanted, other]) {
      await feed.recordTicks('manual', [
        tickOf(symbol, at('10:00:00'), { bid: 1, ask: 2, last: 3 }),
      ]);
    }
    await capture(sql);
    const rows = await sql`
      select i.symbol, d.timeframe, d.side from outbox.deliveries as d
      join outbox.subscriptions as s using (subscription_id) join feed.instruments as i using (instrument_id)
      where s.name = ${name}`;
    expect([...rows]).toEqual([{ symbol: wanted, timeframe: '5m', side: 'ask' }]);
  });

  it('means every symbol and every timeframe when none is given', async () => {
    const name = `all-${await addInstrument(sql)}`;
    await sql`select outbox.subscribe(${name}, 'everything', side => 'last')`;
    const symbol = await addInstrument(sql);
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { last: 3 })]);
    await capture(sql);
    const rows = await sql<{ timeframe: string }[]>`
      select timeframe from outbox.deliveries where instrument_id = feed.instrument_id(${symbol})`;
    expect(rows.map(row => row.timeframe).sort()).toEqual([
      '15m',
      '1d',
      '1h',
      '1m',
      '1s',
      '4h',
      '5m',
    ]);
    await sql`select outbox.unsubscribe(${name})`;
  });

  it('adds a filter when it is called again with the same name, each once', async () => {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    const again = (timeframe: string) => sql<{ id: number }[]>`
      select outbox.subscribe(${name}, ${`queue-${name}`}, ${symbol}, ${timeframe}, 'bid') as id`;
    const [first] = await again('1m');
    const [second] = await again('1h');
    expect(second).toEqual(first);
    const [row] = await sql`
      select count(*)::int from outbox.filters where subscription_id = ${first?.id ?? 0}`;
    expect(row).toEqual({ count: 2 });
  });

  it('sends a candle once to a subscription that wants it twice', async () => {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    await sql`select outbox.subscribe(${name}, ${`queue-${name}`}, null, '1m', 'bid')`;
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    await capture(sql);
    expect(await waitingFor(sql, name)).toHaveLength(1);
    await sql`select outbox.unsubscribe(${name})`;
  });

  it('takes several symbols, timeframes and sides in one call', async () => {
    const [first, second] = [await addInstrument(sql), await addInstrument(sql)];
    const name = `${first}-many`;
    await sql`select outbox.subscribe(${name}, ${name}, symbols => ${[first, second]}, timeframes => array['1m', '1h'],
      sides => array['bid', 'ask'])`;
    for (const symbol of [first, second]) {
      await feed.recordTicks('manual', [
        tickOf(symbol, at('10:00:00'), { bid: 1, ask: 2, last: 3 }),
      ]);
    }
    await capture(sql);
    const rows = await sql`
      select i.symbol, string_agg(d.timeframe || ' ' || d.side, ', ' order by d.timeframe, d.side) as what
      from outbox.deliveries as d
      join outbox.subscriptions as s using (subscription_id) join feed.instruments as i using (instrument_id)
      where s.name = ${name} group by 1`;
    const what = '1h ask, 1h bid, 1m ask, 1m bid';
    expect(rows).toHaveLength(2);
    expect([...rows]).toEqual(
      expect.arrayContaining([
        { symbol: first, what },
        { symbol: second, what },
      ]),
    );
  });

  it('refuses a name that is taken by another queue or kind of subscription', async () => {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    await expect(
      sql`select outbox.subscribe(${name}, 'another-queue', ${symbol}, '1m', 'bid')`,
    ).rejects.toMatchObject({ code: 'SUBEX' });
    await expect(
      sql`select outbox.subscribe(${name}, ${`queue-${name}`}, ${symbol}, '1m', 'bid', true)`,
    ).rejects.toMatchObject({ code: 'SUBEX' });
    await expect(
      sql`select outbox.subscribe(${name}, ${`queue-${name}`}, ${symbol}, '1m', 'bid', forming_every => '1 s')`,
    ).rejects.toMatchObject({ code: 'SUBEX' });
  });

  for (const [what, code, args] of [
    ['an unknown symbol', 'NOINS', `'n', 'q', 'NOBODY'`],
    ['an unknown timeframe', 'NOTFR', `'n', 'q', null, '7m'`],
    ['an unknown side', '23514', `'n', 'q', null, null, 'offer'`],
    ['an absent side', '23502', `'n', 'q', null, null, null`],
    ['a queue name that SQS refuses', '23514', `'n', 'a queue'`],
    ['a queue name that is too long', '23514', `'n', repeat('q', 81)`],
    ['no symbol', '22023', `'n', 'q', symbols => '{}'`],
    ['no timeframe', '22023', `'n', 'q', symbols => null, timeframes => '{}'`],
    ['no side', '22023', `'n', 'q', symbols => null, sides => null`],
    ['one unknown symbol of several', 'NOINS', `'n', 'q', symbols => array['NOBODY', null]`],
    [
      'one unknown timeframe of several',
      'NOTFR',
      `'n', 'q', symbols => null, timeframes => array['1m', '7m']`,
    ],
    [
      'an unknown side of several',
      '23514',
      `'n', 'q', symbols => null, sides => array['bid', 'offer']`,
    ],
    ['an empty name', '23514', `'', 'q'`],
    ['a name with a line break', '23514', `E'a\\nb', 'q'`],
  ] as const) {
    it(`refuses ${what} and leaves no subscription behind`, async () => {
      await expect(sql.unsafe(`select outbox.subscribe(${args})`)).rejects.toMatchObject({ code });
      expect([
        ...(await sql`select from outbox.subscriptions where queue = 'q' or name = 'n'`),
      ]).toEqual([]);
    });
  }

  it('ends with outbox.unsubscribe, which says whether there was one and forgets what waits', async () => {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    await capture(sql);
    expect(await waitingFor(sql, name)).toHaveLength(1);
    expect([...(await sql`select outbox.unsubscribe(${name})`)]).toEqual([{ unsubscribe: true }]);
    expect([...(await sql`select outbox.unsubscribe(${name})`)]).toEqual([{ unsubscribe: false }]);
    expect(await waitingFor(sql, name)).toEqual([]);
    await feed.recordTicks('manual', [tickOf(symbol, at('11:00:00'), { bid: 1 })]);
    await capture(sql);
    expect(await capturedOf(sql, symbol)).toHaveLength(1);
  });

  it('is paused and resumed, and sends each candle once then, with its newest state', async () => {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    const change = async (bid: number) => {
      await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { seq: bid, bid })]);
      await capture(sql);
    };
    const claimed = async () =>
      (await outbox.claimDeliveries(10_000)).filter(each => each.subscription === name);
    expect([...(await sql`select outbox.pause(${name})`)]).toEqual([{ pause: true }]);
    expect([...(await sql`select outbox.pause(${name})`)]).toEqual([{ pause: false }]);
    for (const bid of [1, 2, 3]) await change(bid);
    expect(await claimed()).toEqual([]);
    expect([...(await sql`select outbox.resume(${name})`)]).toEqual([{ resume: true }]);
    expect([...(await sql`select outbox.resume(${name})`)]).toEqual([{ resume: false }]);
    expect(await claimed()).toMatchObject([{ close: 3, tick_count: 3 }]);
  });

  for (const call of ['pause', 'resume']) {
    for (const name of [`'nobody'`, 'null']) {
      it(`says that there is no subscription ${name} to ${call}`, async () => {
        await expect(sql.unsafe(`select outbox.${call}(${name})`)).rejects.toMatchObject({
          code: 'NOSUB',
        });
      });
    }
  }

  it('can be ended and made again at once while its candles are being sent', async () => {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    await capture(sql);
    const sending = await outbox.claimDeliveries(10_000);
    await sql`select outbox.unsubscribe(${name})`;
    await sql`select outbox.subscribe(${name}, ${`queue-${name}`}, ${symbol}, '1m', 'bid')`;
    await outbox.markSent(sending);
    await outbox.bury(sending, 'too late');
    await outbox.markFailed(sending[0]?.subscription_id ?? 0, 'too late');
    const [row] = await sql`
      select sent_count::int, last_error from outbox.subscriptions where name = ${name}`;
    expect(row).toEqual({ sent_count: 0, last_error: null });
    await feed.recordTicks('manual', [tickOf(symbol, at('11:00:00'), { bid: 1 })]);
    await capture(sql);
    expect(await waitingFor(sql, name)).toHaveLength(1);
  });

  it('can be ended while what was sent of it is marked, and neither waits for the other for ever', async () => {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    const other = await subscribe(sql, symbol);
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    await capture(sql);
    const sent = await outbox.claimDeliveries(10_000);
    await withSessions(sql, async (marking, ending) => {
      await marking.sql`begin`;
      await marking.sql`
        select from outbox.deliveries as d join outbox.subscriptions as s using (subscription_id)
        where s.name = ${name} for update of d`;
      const ended = run(ending.sql`select outbox.unsubscribe(${name}) as was_there`);
      await untilBlocked(sql, ending);
      await createOutbox(marking.sql).markSent(sent);
      await marking.sql`commit`;
      expect(await ended).toEqual([{ was_there: true }]);
    });
    expect(await waitingFor(sql, other)).toEqual([]);
  });

  it('does not deadlock who marks its candles as sent with who removes their timeframe', async () => {
    const symbol = await addInstrument(sql);
    const name = `all-${symbol}`;
    await sql`select feed.add_timeframe('2h')`;
    await sql`select outbox.subscribe(${name}, ${name}, ${symbol}, null, 'bid')`;
    // The newer one first, so that their places in the table are the other way round.
    for (const time of ['12:00:00', '10:00:00']) {
      await feed.recordTicks('manual', [tickOf(symbol, at(time), { bid: 1 })]);
      await capture(sql);
    }
    const sent = (await outbox.claimDeliveries(10_000)).filter(each => each.timeframe === '2h');
    const [older, newer] = sent.sort((a, b) => a.bucket.localeCompare(b.bucket));
    await withSessions(sql, async (marking, removing) => {
      const publisher = createOutbox(marking.sql);
      await marking.sql`begin`;
      await publisher.markSent(older ? [older] : []);
      const removed = run(removing.sql`select feed.remove_timeframe('2h')`);
      await untilBlocked(sql, removing);
      await publisher.markSent(newer ? [newer] : []);
      await marking.sql`commit`;
      await removed;
    });
    expect((await waitingFor(sql, name)).length).toBeGreaterThan(0);
    await sql`select outbox.unsubscribe(${name})`;
  });
});

/** A query is sent when somebody waits for it. */
async function run<Rows>(query: PromiseLike<Rows>): Promise<Rows> {
  return await query;
}
