import { randomBytes } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { sleep } from '../../db/runtime/process.ts';
import {
  addInstrument,
  capture,
  describeOnEngine,
  testLogger,
} from '../../tests/support/database.ts';
import { secondsAfter, tickOf } from '../../tests/support/ticks.ts';
import { registerKinds } from '../../tests/support/values.ts';
import { createChannel } from './channel.ts';
import { createFeed, type Feed } from './feed.ts';
import { ingest } from './ingest.ts';
import {
  type Gap,
  type Instrument,
  type Item,
  type RepairItem,
  type Source,
  SourceError,
  type Wanted,
} from './source.ts';

describeOnEngine('ingest', ({ sql }) => {
  const feed = createFeed(sql);
  const running: { stop: AbortController; ended: Promise<void> }[] = [];

  afterEach(async () => {
    for (const { stop, ended } of running.splice(0)) {
      stop.abort();
      await ended.catch(() => undefined);
    }
  });

  /** A source that says what the test says. */
  function start(options: {
    symbols: readonly string[];
    name?: string;
    isSimulated?: boolean;
    feed?: Feed;
    offers?: (symbol: string) => boolean;
    /** What it says of each; as it comes, clean or not. */
    lists?: (symbol: string) => Partial<Instrument>;
    /** Milliseconds that the provider asks to be left alone before it lists anything. */
    alone?: () => number;
    repair?: (gap: Gap) => AsyncIterable<RepairItem>;
  }) {
    const { name = 'manual', symbols, offers = () => true, lists = () => ({}) } = options;
    const channel = createChannel<Item>();
    const seen: Wanted[] = [];
    const source: Source = {
      name,
      description: 'Says what a test says',
      isSimulated: options.isSimulated ?? false,
      instruments: async (asked, signal, _, onAlone) => {
        const milliseconds = options.alone?.() ?? 0;
        if (milliseconds > 0) {
          onAlone?.(milliseconds, 'HTTP 429');
          await sleep(milliseconds, signal);
          throw new Error('it cannot be reached: HTTP 429');
        }
        return asked.map(symbol => {
          if (!offers(symbol)) throw new SourceError(`there is no ${symbol}`);
          return { symbol, description: '', pricePrecision: 5, ...lists(symbol) };
        });
      },
      async *follow({ wanted, signal }) {
        const look = (): void => {
          seen.push(wanted());
          wanted().changed.addEventListener('abort', look, { once: true });
        };
        look();
        signal.addEventListener('abort', () => channel.close());
        yield* channel;
      },
      ...(options.repair === undefined ? {} : { repair: options.repair }),
    };
    const stop = new AbortController();
    const ended = ingest({
      source,
      symbols,
      repairs: true,
      feed: options.feed ?? feed,
      beat: () => feed.followed(name),
      logger: testLogger,
      signal: stop.signal,
    });
    ended.catch(() => undefined);
    running.push({ stop, ended });
    return { say: channel.push, end: channel.close, stop, ended, seen };
  }

  const symbolsOf = (seen: readonly Wanted[]) => seen.at(-1)?.symbols;
  const covered = (symbols: readonly string[], from: number, to: number): Item => ({
    kind: 'covered',
    symbols,
    from: secondsAfter(from),
    to: secondsAfter(to),
  });
  const ticks = (symbol: string, ...seconds: number[]): Item => ({
    kind: 'ticks',
    ticks: seconds.map(second => tickOf(symbol, secondsAfter(second), { bid: 1 })),
  });
  const coverageOf = async (symbol: string) => {
    const rows = await sql<{ from: number; to: number }[]>`
      select extract(epoch from c.covered_from - '2026-03-02 10:00Z')::int as from,
        extract(epoch from c.covered_to - '2026-03-02 10:00Z')::int as to
      from feed.coverage as c where c.instrument_id = feed.instrument_id(${symbol}) order by 1`;
    return rows.map(({ from, to }) => [from, to]);
  };
  const gapsOf = async (symbol: string) => {
    const rows = await sql<{ cause: string; grade: string | null }[]>`
      select g.cause, g.grade from feed.gaps as g
      where g.instrument_id = feed.instrument_id(${symbol}) order by g.gap_from`;
    return rows.map(({ cause, grade }) => `${cause}: ${grade}`);
  };

  it('leaves a provider alone that asked for it, also after a restart', async () => {
    const symbol = await addInstrument(sql, 'oanda');
    const askedAt: number[] = [];
    const lists = () => {
      askedAt.push(Date.now());
      return {};
    };
    const refused = (isAsked: boolean): Item => ({
      kind: 'state',
      state: 'disconnected',
      reason: 'HTTP 429',
      retryInMs: 3_000,
      isAsked,
    });
    const aloneUntil = async () => {
      const [row] = await sql<{ until: number | null }[]>`
        select (extract(epoch from alone_until) * 1000)::float8 as until from feed.source_states where source = 'oanda'`;
      return row?.until ?? 0;
    };
    const first = start({ name: 'oanda', symbols: [symbol], lists });
    await first.say(refused(false));
    await first.say(refused(true));
    await expect.poll(aloneUntil, { timeout: 20_000 }).toBeGreaterThan(0);
    const until = await aloneUntil();
    first.stop.abort();
    await first.ended;

    askedAt.length = 0;
    const second = start({ name: 'oanda', symbols: [symbol], lists });
    await expect.poll(() => askedAt.length, { timeout: 20_000 }).toBeGreaterThan(0);
    // PostgreSQL's clock is this machine's.
    expect(askedAt[0]).toBeGreaterThanOrEqual(Math.floor(until) - 5);
    await second.say({ kind: 'state', state: 'connected' });
    await expect.poll(aloneUntil, { timeout: 20_000 }).toBe(0);
  });

  it('leaves a provider alone over a restart that asked for it instead of telling its instruments', async () => {
    const aloneUntil = async (name: string) => {
      const [row] = await sql<{ until: number | null; state: string }[]>`
        select (extract(epoch from alone_until) * 1000)::float8 as until, state from feed.source_states where source = ${name}`;
      return row === undefined ? null : { ...row, until: row.until ?? 0 };
    };
    // Nobody knew of it before.
    const name = 'crowded';
    const first = start({ name, symbols: [], alone: () => 3_000 });
    await expect.poll(() => aloneUntil(name), { timeout: 20_000 }).not.toBeNull();
    const told = await aloneUntil(name);
    expect(told?.state).toBe('disconnected');
    first.stop.abort();
    await first.ended.catch(() => undefined);

    const askedAt: number[] = [];
    const alone = () => {
      askedAt.push(Date.now());
      return 0;
    };
    const second = start({ name, symbols: [], alone });
    await expect.poll(() => askedAt.length, { timeout: 20_000 }).toBeGreaterThan(0);
    // PostgreSQL's clock is this machine's.
    expect(askedAt[0]).toBeGreaterThanOrEqual(Math.floor(told?.until ?? 0) - 5);
    await second.say({ kind: 'state', state: 'connected' });
    await expect
      .poll(() => aloneUntil(name), { timeout: 20_000 })
      .toEqual({ until: 0, state: 'connected' });
  });

  it('leaves a provider alone over a restart that refused to list who was added, and stays connected', async () => {
    const name = 'busy';
    await feed.registerSource({ name, isSimulated: false, description: '' }, false);
    let wait = 0;
    const { say } = start({ name, symbols: [await addInstrument(sql, name)], alone: () => wait });
    await say({ kind: 'state', state: 'connected' });
    const state = async () => {
      const [row] = await sql<{ state: string; is_alone: boolean }[]>`
        select state, feed.alone_for(${name}) > interval '1 minute' as is_alone from feed.source_states where source = ${name}`;
      return row;
    };
    await expect.poll(state, { timeout: 20_000 }).toMatchObject({ state: 'connected' });
    wait = 100_000;
    await addInstrument(sql, name);
    await expect.poll(state, { timeout: 20_000 }).toEqual({ state: 'connected', is_alone: true });
  });

  it('writes coverage after the ticks that it speaks of, however long these take', async () => {
    const [slow, other] = [await addInstrument(sql), await addInstrument(sql)];
    const release = Promise.withResolvers<void>();
    let isHeld = true;
    const held: Feed = {
      ...feed,
      recordTicks: async (...[name, part, arrays]: Parameters<Feed['recordTicks']>) => {
        if (isHeld) await release.promise;
        return feed.recordTicks(name, part, arrays);
      },
    };
    const { say } = start({ symbols: [slow, other], feed: held });
    await say(ticks(slow, 1));
    await say(covered([slow, other], 0, 2));
    // Two rounds of the ledger.
    await sleep(4_500);
    expect(await coverageOf(slow)).toEqual([]);
    expect(await coverageOf(other)).toEqual([]);
    isHeld = false;
    release.resolve();
    await expect.poll(() => coverageOf(slow), { timeout: 20_000 }).toEqual([[0, 2]]);
    expect(await coverageOf(other)).toEqual([[0, 2]]);
  });

  it('writes none of what could not be stored before a stop', async () => {
    const symbol = await addInstrument(sql);
    const away: Feed = {
      ...feed,
      recordTicks: async () => {
        throw Object.assign(new Error('connection lost'), { code: 'CONNECTION_CLOSED' });
      },
    };
    const { say, stop, ended } = start({ symbols: [symbol], feed: away });
    await say(ticks(symbol, 1));
    await say(covered([symbol], 0, 2));
    await sleep(100);
    stop.abort();
    await ended;
    expect(await coverageOf(symbol)).toEqual([]);
  });

  it('writes what is left when it is stopped, and goes on from there with the next start', async () => {
    const symbol = await addInstrument(sql);
    const first = start({ symbols: [symbol] });
    await first.say({ kind: 'state', state: 'connected' });
    await first.say(ticks(symbol, 1));
    await first.say(covered([symbol], 0, 2));
    await first.say(covered([symbol], 2, 3));
    first.stop.abort();
    await first.ended;
    expect(await coverageOf(symbol)).toEqual([[0, 3]]);
    const [row] = await sql`select state from feed.source_states where source = 'manual'`;
    expect(row).toEqual({ state: 'stopped' });

    const second = start({ symbols: [symbol] });
    await expect.poll(() => second.seen.length).toBeGreaterThan(0);
    expect(second.seen[0]?.storedUntil.get(symbol)).toBe('2026-03-02T10:00:03.000000Z');
    await second.say(covered([symbol], 10, 11));
    second.stop.abort();
    await second.ended;
    expect(await gapsOf(symbol)).toEqual(['the ingest process was not running: null']);
  });

  it('says why a gap is one: the connection, or what the source missed', async () => {
    const symbol = await addInstrument(sql);
    const { say, stop, ended } = start({ symbols: [symbol] });
    await say(covered([symbol], 0, 10));
    const fault = { reason: 'nothing came for 10 s', retryInMs: 1 };
    await say({ kind: 'state', state: 'disconnected', ...fault });
    await say({ kind: 'state', state: 'connected' });
    await say(covered([symbol], 20, 30));
    await say({
      kind: 'missed',
      symbols: [symbol],
      from: secondsAfter(25),
      to: secondsAfter(40),
      cause: 'ids 5 to 7 were skipped',
    });
    await say(covered([symbol], 40, 50));
    stop.abort();
    await ended;
    expect(await coverageOf(symbol)).toEqual([
      [0, 10],
      [20, 25],
      [40, 50],
    ]);
    expect(await gapsOf(symbol)).toEqual([
      'nothing came for 10 s: null',
      'ids 5 to 7 were skipped: null',
    ]);
  });

  it('follows who is added and lets go who is hidden, and tells of whom the source does not offer', async () => {
    const [first, second, unknown] = [
      await addInstrument(sql, 'replay'),
      await addInstrument(sql, 'replay'),
      await addInstrument(sql, 'replay'),
    ];
    const show = (symbol: string, isActive: boolean) =>
      sql`update feed.instruments set is_active = ${isActive} where symbol = ${symbol}`;
    await sql`update feed.instruments set is_active = false where source = 'replay'`;
    const { seen, ended } = start({
      name: 'replay',
      symbols: [first],
      offers: symbol => symbol !== unknown,
    });
    await expect.poll(() => symbolsOf(seen)).toEqual([first]);
    await show(second, true);
    await show(unknown, true);
    await expect.poll(() => symbolsOf(seen), { timeout: 10_000 }).toEqual([first, second].sort());
    await show(first, false);
    await show(second, false);
    await expect.poll(() => symbolsOf(seen), { timeout: 10_000 }).toEqual([]);
    await show(first, true);
    await expect.poll(() => symbolsOf(seen), { timeout: 10_000 }).toEqual([first]);
    expect(await Promise.race([ended, 'runs'])).toBe('runs');
  });

  it('leaves out an instrument that the database does not take, and follows the others', async () => {
    await feed.registerSource({ name: 'sloppy', isSimulated: false, description: '' }, false);
    const names = ['GOOD.1', 'LINE\nEND', 'GOOD.2', 'LONG.NAME', 'TOO.PRECISE', 'MARKED', 'GOOD.3'];
    const { seen, ended } = start({
      name: 'sloppy',
      symbols: names,
      lists: symbol => ({
        ...(symbol === 'LONG.NAME' ? { description: 'x'.repeat(201) } : {}),
        ...(symbol === 'TOO.PRECISE' ? { pricePrecision: 13 } : {}),
        ...(symbol === 'MARKED' ? { description: 'a\u202eb' } : {}),
      }),
    });
    await expect.poll(() => symbolsOf(seen)).toEqual(['GOOD.1', 'GOOD.2', 'GOOD.3']);
    expect(await Promise.race([ended, 'runs'])).toBe('runs');
  });

  it('repairs what the source can, keeps what it proved when it fails, and tells what it cannot', async () => {
    await feed.registerSource({ name: 'mended', isSimulated: false, description: '' }, true);
    const symbol = await addInstrument(sql, 'mended');
    const asked: Gap[] = [];
    async function* repair(gap: Gap): AsyncGenerator<RepairItem> {
      asked.push(gap);
      if (asked.length === 3) yield { kind: 'impossible', reason: 'it keeps a minute' };
      if (asked.length === 3) return;
      const [from, to] = asked.length === 1 ? [16, 20] : [14, 16];
      yield ticks(symbol, from + 1) as Extract<Item, { kind: 'ticks' }>;
      const times = { from: secondsAfter(from), to: secondsAfter(to) };
      yield { kind: 'covered', ...times, grade: 'exact' };
      throw new Error('HTTP 503');
    }
    const { say } = start({ name: 'mended', symbols: [symbol], repair });
    await say(covered([symbol], 0, 10));
    await say(covered([symbol], 20, 30));
    await expect.poll(() => gapsOf(symbol), { timeout: 20_000 }).toHaveLength(1);
    const hurry = setInterval(() => {
      void sql`update feed.gaps set next_try_at = now()
        where instrument_id = feed.instrument_id(${symbol}) and closed_at is null`.catch(
        () => undefined,
      );
    }, 200);
    await expect
      .poll(() => gapsOf(symbol), { timeout: 40_000 })
      .toEqual(['the source said nothing of this time: impossible'])
      .finally(() => clearInterval(hurry));
    expect(asked.map(({ from, to }) => [from, to])).toEqual([
      ['2026-03-02T10:00:10.000000Z', '2026-03-02T10:00:20.000000Z'],
      ['2026-03-02T10:00:10.000000Z', '2026-03-02T10:00:16.000000Z'],
      ['2026-03-02T10:00:10.000000Z', '2026-03-02T10:00:14.000000Z'],
    ]);
    const rows = await sql`
      select extract(epoch from t.observed_at - '2026-03-02 10:00Z')::int as second
      from feed.ticks as t where t.instrument_id = feed.instrument_id(${symbol}) order by 1`;
    expect(rows.map(row => row.second)).toEqual([15, 17]);
    const [left] = await sql`
      select g.missing::text, g.last_fault from feed.gaps as g where g.instrument_id = feed.instrument_id(${symbol})`;
    expect(left).toMatchObject({ last_fault: 'it keeps a minute' });
    expect(left?.missing).toContain('10:00:14');
  });

  it('shows what is made up, with the default indicators, when its history has come in, and that once', async () => {
    await registerKinds(sql);
    // What the instruments of other tests have, which got indicators just now.
    await capture(sql);
    const symbol = `H${randomBytes(5).toString('hex').toUpperCase()}`;
    const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000).toISOString();
    const said = (from: number, to: number): Item => ({
      kind: 'covered',
      symbols: [symbol],
      from: ago(from),
      to: ago(to),
    });
    const prices = (...ages: number[]): Item => ({
      kind: 'ticks',
      ticks: ages.map(age => tickOf(symbol, ago(age), { bid: 1, ask: 2 })),
    });
    const shown = async () => {
      const [row] = await sql<{ is_active: boolean; indicators: number }[]>`
        select i.is_active, (select count(*)::int from indicator.definitions as d
          where d.instrument_id = i.instrument_id) as indicators
        from feed.instruments as i where i.symbol = ${symbol}`;
      return row;
    };
    const notes = async () => {
      const [row] = await sql<[{ notes: string[] }]>`select notes from ops.status`;
      return row.notes.filter(note => note.includes('made_up'));
    };
    const run = () => start({ name: 'made_up', isSimulated: true, symbols: [symbol] });

    const first = run();
    await first.say({ kind: 'state', state: 'connected' });
    await first.say(prices(7_200, 5_400));
    await first.say(said(7_200, 5_400));
    await expect
      .poll(notes)
      .toEqual(['the history of 1 instruments of source made_up is coming in']);
    await first.stop.abort();
    await first.ended;
    expect(await shown()).toEqual({ is_active: false, indicators: 0 });

    const second = run();
    await second.say({ kind: 'state', state: 'connected' });
    await second.say(prices(3_600));
    await second.say(said(5_400, 3_600));
    // What nobody wants yet is told to nobody.
    expect(await capture(sql)).toBe(0);
    expect(await shown()).toEqual({ is_active: false, indicators: 0 });
    await second.say(prices(1));
    await second.say(said(3_600, 0));
    await expect.poll(shown, { timeout: 10_000 }).toMatchObject({ is_active: true });
    expect((await shown())?.indicators).toBeGreaterThan(1);
    await expect.poll(notes).toEqual([]);

    await sql`select indicator.remove(d.indicator_id) from indicator.definitions as d
      where d.instrument_id = feed.instrument_id(${symbol})`;
    await sql`update feed.instruments set is_active = false where symbol = ${symbol}`;
    second.stop.abort();
    await second.ended;
    const third = run();
    await third.say(said(1, 0));
    await expect.poll(shown).toEqual({ is_active: true, indicators: 0 });
  });
});
