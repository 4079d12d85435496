import { beforeEach, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  claim,
  computeAll,
  finish,
  kindOf,
  publish,
  registerCatalog,
} from '../../../tests/support/indicators.ts';
import { quoteOfAge, subscribe } from '../../../tests/support/outbox.ts';
import { createServiceStore } from '../../../workers/indicators/service.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

describeOnEngine('ops.status', ({ sql }) => {
  const feed = createFeed(sql);

  beforeEach(async () => {
    for (const process of ['ingest', 'upkeep', 'publish', 'web'])
      await sql`select ops.beat(${process})`;
    await registerCatalog(sql);
    await sql`select indicator.beat('{classical,models}')`;
  });

  async function faults(): Promise<string[]> {
    const [row] = await sql<{ faults: string[] }[]>`select faults from ops.status`;
    return row?.faults ?? [];
  }

  it('tells of a source all of whose ticks lie in the future, and not of single ones', async () => {
    const symbol = await addInstrument(sql, 'oanda');
    await feed.recordState('oanda', 'connected', null);
    const ahead = await quoteOfAge(sql, symbol, '-1 hour', 1);
    await feed.recordTicks('oanda', [ahead]);
    expect(await faults()).toContainEqual(
      expect.stringMatching(/^source oanda has a clock that is ahead of the database's/),
    );
    await feed.recordTicks('oanda', [await quoteOfAge(sql, symbol, '0 s', 1), ahead]);
    await publish(sql);
    expect(await faults()).toEqual([]);
    // It counts for half a minute, and the tick that was accepted for less.
    await sql`delete from feed.rejections where source = 'oanda'`;
  });

  it('counts neither a connection as a sign of life, save after an orderly stop, nor what is fetched', async () => {
    const symbol = await addInstrument(sql, 'oanda');
    const silent = expect.stringMatching(/^source oanda has been silent since /);
    await feed.recordState('oanda', 'connected', null);
    await sql`update feed.source_states set alive_at = now() - interval '15 seconds' where source = 'oanda'`;
    expect(await faults()).toContainEqual(silent);
    await feed.recordState('oanda', 'disconnected', 'nothing came for 10 s');
    await feed.recordState('oanda', 'connected', null);
    expect(await faults()).toContainEqual(silent);
    // A repair goes on beside a stream that says nothing.
    const fetched = await quoteOfAge(sql, symbol, '20 s', 1);
    await feed.recordTicks('oanda', [fetched], undefined, 'fetched');
    expect(await faults()).toContainEqual(silent);
    await feed.recordState('oanda', 'stopped', null);
    expect(await faults()).toEqual([]);
    await feed.recordState('oanda', 'connected', null);
    expect(await faults()).toEqual([]);
    // Or it would be silent in the tests after this one, when they take long.
    await feed.recordState('oanda', 'stopped', null);
  });

  it('tells an error of a subscription while something is to be sent and somebody tries', async () => {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    await feed.recordTicks('manual', [await quoteOfAge(sql, symbol, '2 minutes', 1)]);
    await sql`call outbox.refresh_late()`;
    await sql`select outbox.capture_deltas()`;
    await sql`select outbox.mark_failed(subscription_id, 'no') from outbox.subscriptions where name = ${name}`;
    const cannot = [`subscription ${name} cannot be sent: no`];
    expect(await faults()).toEqual(cannot);
    await sql`select outbox.pause(${name})`;
    expect(await faults()).toEqual([]);
    await sql`select outbox.resume(${name})`;
    expect(await faults()).toEqual(cannot);
    await sql`delete from outbox.deliveries`;
    expect(await faults()).toEqual([]);
  });

  it('counts the wait of a late tick from when it came, not from its own time', async () => {
    const symbol = await addInstrument(sql);
    await feed.recordTicks('manual', [await quoteOfAge(sql, symbol, '2 days', 1)]);
    const lag = () => sql`select seconds < 5 as is_new from ops.lag where step = 'tick to delta'`;
    expect([...(await lag())]).toEqual([{ is_new: true }]);
    expect(await faults()).toEqual([]);
    await sql`update outbox.changes set marked_at = now() - interval '13 seconds'`;
    expect(await faults()).toEqual([
      expect.stringMatching(/^changes of 1 instruments have waited to be captured since /),
    ]);
    await publish(sql);
    expect(await faults()).toEqual([]);
  });

  it('tells of histories of which none is computed further, not of one that waits for its turn', async () => {
    const symbol = await addInstrument(sql);
    const store = createServiceStore(sql, 'classical');
    await feed.recordTicks('manual', [await quoteOfAge(sql, symbol, '2 minutes', 1)]);
    const ids = [
      await addIndicator(sql, symbol, { fast: 1, slow: 2 }),
      await addIndicator(sql, symbol, { fast: 1, slow: 3 }),
    ];
    await publish(sql);
    const age = () =>
      sql`update indicator.backfills set progressed_at = now() - interval '13 seconds'`;
    expect(await faults()).toEqual([]);
    await age();
    const stuck = (count: number) => [
      expect.stringMatching(
        new RegExp(
          `^the history of ${count} indicators of service classical has not been computed further since `,
        ),
      ),
    ];
    expect(await faults()).toEqual(stuck(2));
    // To take it is not to compute it.
    const work = await store.claimBackfill(1_000);
    expect(await faults()).toEqual(stuck(2));
    if (work === undefined) throw new Error('nothing to compute');
    await finish(sql, [work]);
    expect(await faults()).toEqual([]);
    await age();
    await sql`select indicator.remove(${work.indicators[0]?.indicator_id ?? 0})`;
    expect(await faults()).toEqual(stuck(1));
    const other = await store.claimBackfill(1_000);
    expect(ids).toContain(other?.indicators[0]?.indicator_id);
    if (other === undefined) throw new Error('nothing to compute');
    await finish(sql, [other]);
    expect(await faults()).toEqual([]);
    await age();
    expect(await store.claimBackfill(1_000), 'all was computed').toBeUndefined();
    expect(await faults()).toEqual([]);
  });

  it('tells of a value that nobody computes, as long as its candle was sent', async () => {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await catchUp(sql);
    await feed.recordTicks('manual', [await quoteOfAge(sql, symbol, '2 minutes', 1)]);
    await publish(sql);
    expect(await faults()).toEqual([]);
    await sql`update outbox.candles set captured_at = now() - interval '13 seconds'`;
    await sql`update indicator.definitions set created_at = now() - interval '1 hour'`;
    const behind = [
      expect.stringMatching(
        /^1 indicators of service classical have been behind their candles since /,
      ),
    ];
    // Its tick came just now, and counts only from then on.
    expect(await faults()).toEqual(behind);
    await sql`update outbox.subscriptions set forming_every = '1 minute' where name = 'indicators.classical'`;
    expect(await faults()).toEqual([]);
    await sql`update outbox.subscriptions set forming_every = '0' where name = 'indicators.classical'`;
    expect(await faults()).toEqual(behind);
    const [row] = await sql`select symbol, timeframe, side from indicator.behind`;
    expect(row).toEqual({ symbol, timeframe: '1m', side: 'bid' });
    await sql`select indicator.remove(${id})`;
    expect(await faults()).toEqual([]);
  });

  it('tells of an older candle that changed and is not computed', async () => {
    const symbol = await addInstrument(sql);
    await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await catchUp(sql);
    const old = await quoteOfAge(sql, symbol, '10 minutes', 1);
    await feed.recordTicks('manual', [old, await quoteOfAge(sql, symbol, '2 minutes', 1)]);
    await accept(sql, await publish(sql));
    await computeAll(sql);
    const change = async (seq: number): Promise<void> => {
      await feed.recordTicks('manual', [{ ...old, seq }]);
      await accept(sql, await publish(sql));
    };
    const age = () => sql`update indicator.pending set accepted_at = now() - interval '13 seconds'`;
    const lag = async () => {
      const [row] = await sql<{ seconds: number | null }[]>`
        select seconds from ops.lag where step = 'queue to indicator'`;
      return row?.seconds;
    };
    expect(await faults()).toEqual([]);
    expect(await lag()).toBeNull();
    await change(1);
    expect(await faults()).toEqual([]);
    await age();
    const waiting = [
      expect.stringMatching(
        /^1 changed candles of service classical have waited to be computed since /,
      ),
    ];
    expect(await faults()).toEqual(waiting);
    expect(await lag()).toBeGreaterThan(12);
    await change(2);
    expect(await faults(), 'it still waits, since its first change').toEqual(waiting);
    const works = await claim(sql);
    await change(3);
    expect(await faults(), 'the older change is being computed').toEqual([]);
    await finish(sql, works);
    await age();
    expect(await faults(), 'and the newer one is not').toEqual(waiting);
    await computeAll(sql);
    expect(await faults()).toEqual([]);
  });

  it('names the service that stands still, and no other', async () => {
    const { python, theirs, ours } = await besidesPython();
    const symbol = await addInstrument(sql);
    const ids = [await theirs(symbol), await ours(symbol)];
    await feed.recordTicks('manual', [await quoteOfAge(sql, symbol, '10 minutes', 1)]);
    const published = await publish(sql);
    const onlyOf = async (wrong: RegExp) => {
      const shown = await faults();
      expect(shown).toEqual([expect.stringContaining('of service python ')]);
      expect(shown[0]).toMatch(wrong);
    };

    await sql`update indicator.backfills set progressed_at = now() - interval '13 seconds'
      where service = 'python'`;
    await onlyOf(
      /^the history of 1 indicators of service python has not been computed further since /,
    );
    await sql`delete from indicator.backfills`;

    await sql`update outbox.candles set captured_at = now() - interval '13 seconds'`;
    await sql`update indicator.definitions set created_at = now() - interval '1 hour'`;
    await accept(sql, published);
    await computeAll(sql);
    await onlyOf(/^1 indicators of service python have been behind their candles since /);

    await python.acceptCandles(published.filter(each => each.subscription === 'indicators.python'));
    await sql`update outbox.candles set captured_at = now()`;
    await sql`update indicator.pending set accepted_at = now() - interval '13 seconds'`;
    await onlyOf(/^1 changed candles of service python have waited to be computed since /);

    const rows = await sql`
      select service, is_running, to_send::int, pending::int, histories::int
      from ops.services order by service`;
    const well = { is_running: true, to_send: 0, pending: 0, histories: 0 };
    expect([...rows]).toEqual([
      { service: 'classical', ...well },
      { service: 'models', ...well },
      { service: 'python', ...well, pending: 1 },
    ]);
    for (const id of ids) await sql`select indicator.remove(${id})`;
    await sql`select indicator.remove_service('python')`;
  });

  it('holds no service of closed candles behind for one that forms', async () => {
    const { theirs } = await besidesPython({ isClosedOnly: true });
    const symbol = await addInstrument(sql);
    const id = await theirs(symbol);
    // Somebody else is told of forming ones.
    await subscribe(sql, symbol);
    await sql`delete from indicator.backfills`;
    await sql`update indicator.definitions set created_at = now() - interval '1 hour'`;
    const since = async () => {
      const rows = await sql<{ since: string }[]>`
        select case when b.behind_since = c.captured_at then 'captured' else b.behind_since::text end as since
        from indicator.behind as b, outbox.candles as c
        where b.indicator_id = ${id} and c.instrument_id = feed.instrument_id(${symbol})`;
      return rows.map(row => row.since);
    };
    await feed.recordTicks('manual', [await quoteOfAge(sql, symbol, '0 s', 1)]);
    await publish(sql);
    await sql`update outbox.candles set captured_at = now() - interval '1 hour'`;
    expect(await since()).toEqual([]);
    // It has closed, was sent, and counts from then on, however old its ticks are.
    await sql`update outbox.candles set is_closed = true, captured_at = now() - interval '13 seconds'`;
    await sql`delete from outbox.deliveries`;
    expect(await since()).toEqual(['captured']);
    expect(await faults()).toEqual([
      expect.stringMatching(
        /^1 indicators of service python have been behind their candles since /,
      ),
    ]);
    await sql`select indicator.remove(${id})`;
    await sql`select indicator.remove_service('python')`;
    expect(await faults()).toEqual([]);
  });

  it('counts a service of closed candles behind since the first that has no value, while newer ones close', async () => {
    const { theirs } = await besidesPython({ isClosedOnly: true });
    const symbol = await addInstrument(sql);
    const id = await theirs(symbol);
    await sql`delete from indicator.backfills`;
    await sql`update indicator.definitions set created_at = now() - interval '1 hour'`;
    const record = async (age: string) => {
      await feed.recordTicks('manual', [await quoteOfAge(sql, symbol, age, 1)]);
      await publish(sql);
    };
    await record('30 minutes');
    await sql`insert into indicator.values (indicator_id, bucket, bars, revision)
      select ${id}::int, c.bucket, 1, c.revision from outbox.candles as c
      where c.instrument_id = feed.instrument_id(${symbol})`;
    await record('20 minutes');
    await sql`update outbox.candles set captured_at = now() - interval '13 seconds'
      where instrument_id = feed.instrument_id(${symbol})`;
    await record('10 minutes');
    expect(await faults()).toEqual([
      expect.stringMatching(
        /^1 indicators of service python have been behind their candles since /,
      ),
    ]);
    await sql`select indicator.remove(${id})`;
    await sql`select indicator.remove_service('python')`;
  });

  /** A service of another process beside ours, which beats, and how to add an indicator of each. */
  async function besidesPython({ isClosedOnly = false } = {}) {
    const python = createServiceStore(sql, 'python');
    const kinds = [{ ...kindOf('ma_cross'), kind: 'python_model', isClosedOnly, defaults: [] }];
    await python.register({ service: 'python', description: 'Of another', isClosedOnly, kinds });
    await sql`select indicator.beat('{python}', 'there', 7)`;
    const params = { fast: 1, slow: 2 };
    return {
      python,
      theirs: (symbol: string) => addIndicator(sql, symbol, params, { kind: 'python_model' }),
      ours: (symbol: string) => addIndicator(sql, symbol, params),
    };
  }
});
