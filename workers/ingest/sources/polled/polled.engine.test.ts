import { afterEach, expect, it } from 'vitest';
import { describeOnEngine, testLogger } from '../../../../tests/support/database.ts';
import { blocksOf } from '../../../../tests/support/written.ts';
import { createPublicHosts } from '../../../public_host.ts';
import { createFeed } from '../../feed.ts';
import { ingest } from '../../ingest.ts';
import { type FakePolled, startFakePolled } from './fake.ts';
import { createPolled } from './source.ts';

describeOnEngine('A polled source', ({ sql, as }) => {
  const feed = createFeed(as('foresight_ingest'));
  const closers: (() => unknown)[] = [];
  const token = 'sekret-token-of-ours';

  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function fakeOf(options = {}): Promise<FakePolled> {
    const fake = await startFakePolled(options);
    closers.push(fake.close);
    return fake;
  }

  /** As the process does; @returns how it is stopped. */
  async function run(name: string): Promise<() => Promise<void>> {
    const stop = new AbortController();
    const source = await createPolled({
      name,
      readRow: () => feed.polledSource(name),
      tell: ({ works, words }) => feed.recordTrial(name, works, words),
      hosts: createPublicHosts({ privateHosts: ['127.0.0.1'], setting: 'POLLED_HOSTS' }),
      tokens: { POLLED_TOKEN_FAKE: token },
      timings: { every: 50, look: 50, firstBackoff: 10, longestBackoff: 50, refusal: 100 },
    });
    const beat = () => feed.followed(name);
    const parts = { source, symbols: [], repairs: true, feed, beat, logger: testLogger };
    const ended = ingest({ ...parts, signal: stop.signal });
    ended.catch(() => undefined);
    const end = async () => {
      stop.abort();
      await ended.catch(() => undefined);
    };
    closers.push(end);
    return end;
  }

  const storedOf = async (symbol: string) => {
    const rows = await sql<{ row: string }[]>`
      select concat_ws(' ', case when t.seq >= 0 then t.seq end,
        to_char(t.observed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), t.bid, t.ask, t.last, t.size) as row
      from feed.ticks as t where t.instrument_id = feed.instrument_id(${symbol}) order by t.observed_at, t.seq`;
    return rows.map(({ row }) => row);
  };
  const outcomeOf = async (source: string) => {
    const [row] = await sql<{ status: string; outcome: string | null }[]>`
      select status, outcome from feed.polled_sources where source = ${source}`;
    return row;
  };
  const faultsOf = async (source: string) => {
    const rows = await sql<{ fault: string }[]>`
      select f.fault from ops.status as s, unnest(s.faults) as f(fault) where f.fault like ${`%${source}%`}`;
    return rows.map(({ fault }) => fault);
  };
  const until = (holds: () => Promise<unknown>) =>
    expect.poll(holds, { timeout: 60_000, interval: 50 }).toBeTruthy();

  it('is stored as its address has it, over cuts and a time without us, and says where it does not know', async () => {
    const fake = await fakeOf({ token, remembers: 30 });
    const trade = (count: number) => {
      for (let index = 0; index < count; index++) {
        for (const each of ['gold', 'iron']) fake.trade(each, { price: `${100 + index / 8}` });
      }
    };
    trade(3);
    const [added] = await sql`
      select feed.add_polled_source('polled_trades', ${`${fake.url}/trades/{symbol}`}, '1 s', 'us',
        '{"GOLD.P": "gold", "IRON.P": "iron"}', items_path => '/trades', time_path => '/at_us', last_path => '/price',
        size_path => '/size', id_path => '/trade_id', ids_are_consecutive => true,
        headers => '{"Authorization": "Bearer {POLLED_TOKEN_FAKE}"}') as told`;
    expect(added?.told).toContain('npm run start:ingest -- --source polled:polled_trades');
    expect(await outcomeOf('polled_trades')).toEqual({ status: 'untried', outcome: null });

    const logOf = (theirs: string) =>
      fake.log(theirs).map(({ id, time, price, size }) => `${id} ${time} ${Number(price)} ${size}`);
    const isThere = async () =>
      (await storedOf('GOLD.P')).at(-1) === logOf('gold').at(-1) &&
      (await storedOf('IRON.P')).at(-1) === logOf('iron').at(-1);
    const stop = await run('polled_trades');
    await until(isThere);
    expect(await outcomeOf('polled_trades')).toEqual({
      status: 'works',
      outcome: expect.stringMatching(/^it told of GOLD\.P, last 100\.25, size 2 at .*; IRON\.P, /),
    });
    fake.cut(3);
    fake.refuseNext(2, 503);
    trade(10);
    await until(isThere);
    await stop();
    trade(10);
    const again = await run('polled_trades');
    await until(isThere);
    expect(await storedOf('GOLD.P')).toEqual(logOf('gold'));
    expect(await storedOf('IRON.P')).toEqual(logOf('iron'));
    await again();
    const open = () => sql`
      select g.cause from feed.gaps as g join feed.instruments as i using (instrument_id)
      where i.source = 'polled_trades'`;
    // The ids go on where they ended: nothing is missing.
    expect([...(await open())]).toEqual([]);

    // More than one answer holds.
    trade(40);
    await run('polled_trades');
    await until(isThere);
    await until(async () => (await open()).length === 2);

    const [state] = await sql<Record<string, string>[]>`
      select s.stored_count, s.conflicting_count, s.rejected_count from feed.source_states as s
      where s.source = 'polled_trades'`;
    const stored = (await storedOf('GOLD.P')).length + (await storedOf('IRON.P')).length;
    expect(state).toEqual({
      stored_count: String(stored),
      conflicting_count: '0',
      rejected_count: '0',
    });
    expect(stored).toBeLessThan(logOf('gold').length * 2);
  });

  it('is tried anew when its row changes, and its fault is told until then', async () => {
    const fake = await fakeOf();
    fake.quote('x', '1', '2');
    await sql`select feed.add_polled_source('polled_quotes', ${`${fake.url}/quotes`}, '1 s', 'iso',
      '{"X.P": "x"}', time_path => '/{symbol}/time', bid_path => '/{symbol}/offer')`;
    await run('polled_quotes');
    await until(async () => (await outcomeOf('polled_quotes'))?.status === 'faulty');
    const told = 'X.P: no_price, none of bid, ask and last has a value';
    expect(await faultsOf('polled_quotes')).toEqual([`polled source polled_quotes: ${told}`]);
    await sql`select feed.add_polled_source('polled_quotes', ${`${fake.url}/quotes`}, '1 s', 'iso',
      '{"X.P": "x"}', time_path => '/{symbol}/time', bid_path => '/{symbol}/bid', ask_path => '/{symbol}/ask')`;
    await until(async () => (await outcomeOf('polled_quotes'))?.status === 'works');
    expect(await faultsOf('polled_quotes')).toEqual([]);
    // It is told that it works before what it said is stored.
    await until(async () => (await storedOf('X.P')).length > 0);
    expect((await storedOf('X.P')).map(row => row.split(' ').slice(1))).toEqual([['1', '2']]);
    const covered = await sql`
      select from feed.coverage where instrument_id = feed.instrument_id('X.P')`;
    expect(covered).toHaveLength(0);

    // An instrument that is added is asked for by its own name.
    fake.quote('Y', '3', '4');
    await sql`select feed.add_instrument('Y', 'polled_quotes')`;
    await until(async () => (await storedOf('Y')).length > 0);
    await sql`delete from feed.polled_sources where source = 'polled_quotes'`;
  });

  it('tells its token in no table', async () => {
    const fake = await fakeOf({ token });
    fake.trade('gold', { price: `"${token}"` });
    await sql`select feed.add_polled_source('polled_echo', ${`${fake.url}/trades/gold`}, '1 s', 'us',
      '{"ECHO.P": "gold"}', items_path => '/trades', time_path => '/at_us', last_path => '/price',
      headers => '{"Authorization": "Bearer {POLLED_TOKEN_FAKE}"}')`;
    await run('polled_echo');
    await until(async () => (await outcomeOf('polled_echo'))?.status === 'faulty');
    await until(async () => {
      const rows = await sql`select from feed.rejected_ticks where source = 'polled_echo'`;
      return rows.length > 0;
    });
    const tables = await sql<{ name: string }[]>`
      select c.oid::regclass::text as name from pg_class as c
      where c.relnamespace = any ('{feed,outbox,indicator,track,alert,ops,graphile_worker}'::regnamespace[])
        and c.relkind in ('r', 'p')`;
    expect(tables.length).toBeGreaterThan(20);
    for (const { name } of tables) {
      const found = await sql.unsafe(
        `select from ${name} as t where position('${token}' in t::text) > 0`,
      );
      expect(found, name).toHaveLength(0);
    }
  });

  it('is silent for as long as three of its answers may take', async () => {
    await sql`select feed.add_polled_source('polled_slow', 'https://prices.example', '1 h', 'received',
      '{"SLOW.P": "x"}', bid_path => '/bid')`;
    await feed.recordTrial('polled_slow', true, 'it told');
    await feed.recordState('polled_slow', 'connected', null);
    const silentFor = (time: string) => sql`
      update feed.source_states set alive_at = now() - ${time}::text::interval where source = 'polled_slow'`;
    await silentFor('2 hours 59 minutes');
    expect(await faultsOf('polled_slow')).toEqual([]);
    await silentFor('3 hours 1 minute');
    expect(await faultsOf('polled_slow')).toEqual([
      expect.stringContaining('source polled_slow has been silent since'),
    ]);
    await sql`update feed.polled_sources set status = 'untried', told_at = now() - interval '1 minute'
      where source = 'polled_slow'`;
    expect(await faultsOf('polled_slow')).toContain(
      'polled source polled_slow is not asked: no process runs for it (start:ingest -- --source polled:polled_slow)',
    );
  });

  const good = {
    ...{ url: 'https://prices.example/x', every: '1 s', format: 'iso', symbols: '{}' },
    ...{ time: '/t', bid: '/b', items: null, symbol: null, id: null, headers: '{}' },
    ...{ source: 'polled_bad', size: null, consecutive: false },
  };
  const add = (change: Partial<Record<keyof typeof good, unknown>>) => {
    const all = { ...good, ...change } as Record<
      Exclude<keyof typeof good, 'consecutive'>,
      string | null
    > & { readonly consecutive: boolean };
    return sql`select feed.add_polled_source(${all.source}, ${all.url}, ${all.every}::text::interval, ${all.format},
      ${all.symbols}::text::jsonb, items_path => ${all.items}, symbol_path => ${all.symbol}, time_path => ${all.time},
      bid_path => ${all.bid}, size_path => ${all.size}, id_path => ${all.id},
      ids_are_consecutive => ${all.consecutive}, headers => ${all.headers}::text::jsonb)`;
  };

  it.each([
    [{ source: 'oanda' }, 'POLLD', 'the source oanda is there already'],
    [{ source: 'manual' }, 'POLLD', 'the source manual is there already'],
    [{ source: 'No Name' }, '23514', 'source_is_a_short_code'],
    [{ url: 'ftp://x' }, '23514', 'url_is_of_http_and_names_no_user'],
    [{ url: 'https://user:secret@x/' }, '23514', 'url_is_of_http_and_names_no_user'],
    [{ url: 'https://x/a b' }, '23514', 'url_is_of_http_and_names_no_user'],
    [{ every: '0.5 s' }, '23514', 'poll_every_is_from_one_second_to_one_day'],
    [{ every: '2 days' }, '23514', 'poll_every_is_from_one_second_to_one_day'],
    [{ format: 'unix' }, '23514', 'time_format_is_iso_s_ms_us_ns_or_received'],
    [{ format: 'received' }, '23514', 'time_path_is_there_unless'],
    [{ time: null }, '23514', 'time_path_is_there_unless'],
    [{ bid: null }, '23514', 'there_is_a_path_to_a_price'],
    [{ bid: 'bid' }, '23514', 'bid_path_is_a_json_pointer'],
    [{ items: '/a~2' }, '23514', 'items_path_is_a_json_pointer'],
    [{ symbol: '/s' }, '23514', 'symbol_path_needs_items_path'],
    [{ size: '/z' }, '23514', 'size_is_of_a_trade'],
    [{ consecutive: true }, '23514', 'consecutive_ids_need'],
    [{ symbols: '[]' }, '23514', 'symbols_are_an_object'],
    [{ symbols: '{"A": 1}' }, 'POLLD', 'A is 1'],
    [{ symbols: '{"a b": "x"}' }, '23514', "the symbol 'a b' is not allowed"],
    [{ headers: '[]' }, '23514', 'headers_are_an_object'],
    [{ headers: '{"Host": "x"}' }, 'POLLD', "the header 'Host' cannot be sent"],
    [{ headers: '{"a b": "x"}' }, 'POLLD', "the header 'a b' cannot be sent"],
    [{ headers: '{"X": "a\\nb"}' }, 'POLLD', "the header 'X' cannot be sent"],
    [{ headers: '{"X": "{DATABASE_URL}"}' }, 'POLLD', "the variable 'DATABASE_URL'"],
  ] as const)('is refused, and nothing is made, with %j', async (change, code, words) => {
    await expect(add(change)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(words),
    });
    const made = await sql`
      select from feed.sources where source = 'polled_bad' union all select from feed.polled_sources where source = 'polled_bad'`;
    expect(made).toHaveLength(0);
  });

  it('has instruments with its calendar, also those that are there already', async () => {
    const fake = await fakeOf();
    fake.quote('x', '1', '2');
    const add = (
      calendar: string | null,
    ) => sql`select feed.add_polled_source('polled_market', ${`${fake.url}/quotes`}, '1 s', 'iso',
      '{"X.MARKET": "x"}', time_path => '/{symbol}/time', bid_path => '/{symbol}/bid', calendar => ${calendar})`;
    const calendarOf = async (symbol: string) => {
      const [row] = await sql<
        { calendar: string | null }[]
      >`select calendar from feed.instruments where symbol = ${symbol}`;
      return row?.calendar;
    };
    await add(null);
    expect(await calendarOf('X.MARKET')).toBeNull();
    await add('us_stocks');
    expect(await calendarOf('X.MARKET')).toBe('us_stocks');
    await expect(add('moon')).rejects.toMatchObject({ code: 'NOCAL' });
    const source = await createPolled({
      name: 'polled_market',
      readRow: () => feed.polledSource('polled_market'),
      tell: async () => undefined,
      hosts: createPublicHosts({ setting: 'POLLED_HOSTS' }),
      tokens: {},
    });
    expect(await source.instruments(['Y.MARKET'])).toMatchObject([{ calendar: 'us_stocks' }]);
    await sql`delete from feed.polled_sources where source = 'polled_market'`;
  });

  it('is described as docs/polled.md says', async () => {
    const blocks = blocksOf(new URL('../../../../docs/polled.md', import.meta.url));
    const described = blocks.filter(({ language }) => language === 'sql');
    expect(described.length).toBeGreaterThan(1);
    for (const { code } of described) await sql.unsafe(code);
    const rows = await sql<{ source: string }[]>`
      select source from feed.polled_sources where source like 'doc\\_%' order by 1`;
    expect(rows.map(({ source }) => source)).toEqual(['doc_quotes', 'doc_trades']);
    for (const { source } of rows) {
      expect(await feed.polledSource(source)).toMatchObject({ source, status: 'untried' });
    }
  });
});
