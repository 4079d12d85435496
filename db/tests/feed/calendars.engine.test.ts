import { expect, it } from 'vitest';
import { describeOnEngine } from '../../../tests/support/database.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

describeOnEngine('A trading calendar', ({ sql }) => {
  const isOpen = async (calendar: string, at: string) => {
    const [row] = await sql<[{ is_open: boolean | null }]>`
      select feed.is_open(${calendar}, ${at}::text::timestamptz)`;
    return row.is_open;
  };
  const openings = async (calendar: string, from: string, to: string) => {
    const rows = await sql<{ at: string }[]>`
      select to_char(o.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as at
      from feed.openings(${calendar}, ${from}::text::timestamptz, ${to}::text::timestamptz) as o(at)`;
    return rows.map(({ at }) => at);
  };

  // 17:00 in New York is 22:00 UTC in winter, and 21:00 from 8 March to 1 November 2026.
  it.each([
    ['fx', '2026-03-06 21:59:59.999999', '2026-03-06 22:00', false],
    ['fx', '2026-03-08 20:59:59.999999', '2026-03-08 21:00', true],
    ['fx', '2026-03-13 20:59:59.999999', '2026-03-13 21:00', false],
    ['fx', '2026-10-30 20:59:59.999999', '2026-10-30 21:00', false],
    ['fx', '2026-11-01 21:59:59.999999', '2026-11-01 22:00', true],
    ['fx', '2026-12-24 21:59:59.999999', '2026-12-24 22:00', false],
    ['cfd', '2026-03-06 21:59:59.999999', '2026-03-06 22:00', false],
    ['cfd', '2026-03-08 20:59:59.999999', '2026-03-08 21:00', true],
    ['metals', '2026-03-08 21:59:59.999999', '2026-03-08 22:00', true],
    ['metals', '2026-03-10 20:59:59.999999', '2026-03-10 21:00', false],
    ['metals', '2026-03-10 21:59:59.999999', '2026-03-10 22:00', true],
    ['us_stocks', '2026-03-06 14:29:59.999999', '2026-03-06 14:30', true],
    ['us_stocks', '2026-03-09 13:29:59.999999', '2026-03-09 13:30', true],
    ['us_stocks', '2026-11-27 17:59:59.999999', '2026-11-27 18:00', false],
  ])('%s changes between %s and %s UTC (open: %s)', async (calendar, before, after, opens) => {
    expect(await isOpen(calendar, `${before}Z`)).toBe(!opens);
    expect(await isOpen(calendar, `${after}Z`)).toBe(opens);
  });

  it('is asked over the hour that comes twice and the one that is left out', async () => {
    await sql`insert into feed.calendars (calendar, zone) values ('nights', 'America/New_York')`;
    await sql`insert into feed.sessions values ('nights', 7, '01:00', 7, '03:00')`;
    const at = (time: string) => isOpen('nights', time);
    // 01:00 comes at 05:00 and at 06:00 UTC.
    expect(await at('2026-11-01 04:59Z')).toBe(false);
    expect(await at('2026-11-01 05:00Z')).toBe(true);
    expect(await at('2026-11-01 06:30Z')).toBe(true);
    expect(await at('2026-11-01 07:59Z')).toBe(true);
    expect(await at('2026-11-01 08:00Z')).toBe(false);
    // 02:00 is 03:00.
    expect(await at('2026-03-08 06:59Z')).toBe(true);
    expect(await at('2026-03-08 07:00Z')).toBe(false);
    await sql`delete from feed.calendars where calendar = 'nights'`;
  });

  it('is closed on holidays, and says when it opens', async () => {
    for (const day of ['2026-07-03', '2026-11-26', '2026-12-25', '2027-03-26']) {
      expect(await isOpen('us_stocks', `${day} 16:00Z`), day).toBe(false);
    }
    expect(await isOpen('us_stocks', '2026-07-02 16:00Z')).toBe(true);
    expect(await isOpen('fx', '2026-12-25 15:00Z')).toBe(false);
    expect(await openings('us_stocks', '2026-11-24Z', '2026-12-01Z')).toEqual([
      '2026-11-24 14:30',
      '2026-11-25 14:30',
      '2026-11-27 14:30',
      '2026-11-30 14:30',
    ]);
    // Not in the middle of the night after a holiday, and at Christmas when the closure ends.
    expect(await openings('us_stocks', '2026-12-24 22:00Z', '2026-12-29Z')).toEqual([
      '2026-12-28 14:30',
    ]);
    expect(await openings('fx', '2027-12-20Z', '2027-12-31Z')).toEqual(['2027-12-26 22:00']);
    expect(await openings('fx', '2026-03-02Z', '2026-03-30Z')).toEqual([
      '2026-03-08 21:00',
      '2026-03-15 21:00',
      '2026-03-22 21:00',
      '2026-03-29 21:00',
    ]);
  });

  it('without sessions is always open, and there is none that is not there', async () => {
    expect(await isOpen('always', '2026-12-25 03:00Z')).toBe(true);
    expect(await openings('always', '2026-01-01Z', '2026-12-31Z')).toEqual([]);
    expect(await isOpen('nowhere', '2026-12-25 03:00Z')).toBeNull();
    expect(await isOpen('fx', 'infinity')).toBe(false);
    expect(await openings('fx', '-infinity', 'infinity')).not.toEqual([]);
    expect(await openings('nowhere', '2026-01-01Z', '2026-12-31Z')).toEqual([]);
  });

  it('is as an operator writes it, and no clock that is none', async () => {
    await sql`insert into feed.calendars (calendar, zone) values ('desk', 'Europe/Berlin')`;
    await sql`insert into feed.sessions values ('desk', 1, '00:00', 5, '24:00')`;
    expect(await isOpen('desk', '2026-07-03 21:59:59Z')).toBe(true);
    expect(await isOpen('desk', '2026-07-03 22:00Z')).toBe(false);
    await sql`insert into feed.closures values ('desk', '2026-07-01 12:00', '2026-07-01 13:00', 'lunch')`;
    expect(await isOpen('desk', '2026-07-01 10:00Z')).toBe(false);
    expect(await openings('desk', '2026-06-29Z', '2026-07-04Z')).toEqual(['2026-07-01 11:00']);
    await expect(
      sql`update feed.calendars set zone = 'Mars/Crater' where calendar = 'desk'`,
    ).rejects.toThrow('time zone "Mars/Crater" not recognized');
    await sql`delete from feed.calendars where calendar = 'desk'`;
  });

  it('of an instrument is what its source tells, and stays what an operator made of it', async () => {
    const feed = createFeed(sql);
    const instrument = { symbol: 'CAL.A', description: '', pricePrecision: 5 };
    const calendar = async () => {
      const [row] = await sql`select calendar from feed.instruments where symbol = 'CAL.A'`;
      return row?.calendar;
    };
    await feed.addInstrument('manual', instrument);
    expect(await calendar()).toBeNull();
    await feed.addInstrument('manual', { ...instrument, calendar: 'fx' });
    expect(await calendar()).toBe('fx');
    await sql`update feed.instruments set calendar = 'metals' where symbol = 'CAL.A'`;
    await feed.addInstrument('manual', { ...instrument, calendar: 'fx' });
    expect(await calendar()).toBe('metals');
    // An operator may have renamed it.
    await feed.addInstrument('manual', { ...instrument, calendar: 'nowhere' });
    expect(await calendar()).toBe('metals');
    await sql`update feed.instruments set calendar = null where symbol = 'CAL.A'`;
    await feed.addInstrument('manual', { ...instrument, calendar: 'nowhere' });
    expect(await calendar()).toBeNull();
    await expect(
      sql`select feed.add_instrument('CAL.A', 'manual', calendar => 'nowhere')`,
    ).rejects.toMatchObject({ code: 'NOCAL' });
  });

  it('with instruments cannot be deleted', async () => {
    await sql`select feed.add_instrument('CAL.B', 'manual', calendar => 'metals')`;
    await expect(sql`delete from feed.calendars where calendar = 'metals'`).rejects.toMatchObject({
      code: '23503',
    });
  });

  /** A source with one instrument, connected for days, of a market that opened so long ago; null: it is closed. */
  async function listen(name: string, openedAgo: string | null) {
    const feed = createFeed(sql);
    const symbol = name.toUpperCase();
    await sql`insert into feed.calendars (calendar, zone, quiet_after) values (${name}, 'UTC', '10 minutes')`;
    await sql`
      insert into feed.closures (calendar, closed_from, closed_to)
      select ${name}, c.now - interval '30 days', coalesce(c.now - ${openedAgo}::interval, c.now + interval '2 hours')
      from (select now() at time zone 'UTC' as now) as c`;
    await sql`select feed.register_source(${name}, false)`;
    await sql`select feed.add_instrument(${symbol}, ${name}, calendar => ${name})`;
    await sql`update feed.instruments set created_at = now() - interval '9 days' where symbol = ${symbol}`;
    await feed.recordState(name, 'connected', null);
    await sql`update feed.source_states set begun_at = now() - interval '9 days' where source = ${name}`;
    const told = async (view: 'faults' | 'notes') => {
      const column = view === 'faults' ? 'fault' : 'note';
      const rows = await sql<{ words: string }[]>`
        select ${sql(column)} as words from feed.${sql(view)} where ${sql(column)} like ${`%${name}%`} order by 1`;
      return rows.map(({ words }) => words);
    };
    return {
      faults: () => told('faults'),
      notes: () => told('notes'),
      state: (state: 'connected' | 'disconnected' | 'stopped', reason: string | null = null) =>
        feed.recordState(name, state, reason),
      alive: (ago: string) =>
        sql`update feed.source_states set alive_at = now() - ${ago}::interval where source = ${name}`,
      opens: (ago: string) => sql`
        update feed.closures set closed_to = (now() at time zone 'UTC') - ${ago}::interval where calendar = ${name}`,
      tick: async (ago: string) => {
        const [row] = await sql<[{ at: string }]>`
          select to_char((now() - ${ago}::interval) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`;
        const tick = {
          symbol,
          observedAt: row.at,
          seq: null,
          bid: 1,
          ask: 2,
          last: null,
          size: null,
        };
        await feed.recordTicks(name, [tick]);
      },
    };
  }

  it('makes a silent or lost connection a fault while its market is open, and a note while it is closed', async () => {
    const source = await listen('silent', null);
    await source.alive('1 minute');
    const closed = expect.stringMatching(/^the market silent is closed until .* UTC$/);
    expect(await source.faults()).toEqual([]);
    expect(await source.notes()).toEqual([closed]);
    await source.state('disconnected', 'HTTP 503');
    expect(await source.faults()).toEqual([]);
    expect(await source.notes()).toEqual([
      'source silent is disconnected while its markets are closed: HTTP 503',
      closed,
    ]);

    await source.opens('1 minute');
    expect(await source.notes()).toEqual([]);
    expect(await source.faults()).toEqual(['source silent is disconnected: HTTP 503']);
    await source.state('connected');
    expect(await source.faults()).toEqual([
      expect.stringMatching(/^source silent has been silent since /),
    ]);
  });

  it('makes it a fault that a connection lives and has no price while its market is open', async () => {
    const source = await listen('quiet', '1 day');
    const quiet = expect.stringMatching(
      /^source quiet has told of no price since .* UTC, though the market quiet is open$/,
    );
    await source.tick('20 minutes');
    await source.alive('1 s');
    expect(await source.faults()).toEqual([quiet]);
    // It has just opened.
    await source.opens('5 minutes');
    expect(await source.faults()).toEqual([]);
    await source.opens('11 minutes');
    expect(await source.faults()).toEqual([quiet]);
    // A lost connection is no reason to wait anew, a process that was stopped is.
    await source.state('disconnected', 'no price came');
    await source.state('connected');
    await source.alive('1 s');
    expect(await source.faults()).toEqual([quiet]);
    await source.state('stopped');
    await source.state('connected');
    await source.alive('1 s');
    expect(await source.faults()).toEqual([]);
    await sql`update feed.source_states set begun_at = now() - interval '9 days' where source = 'quiet'`;
    await sql`update feed.calendars set quiet_after = null where calendar = 'quiet'`;
    expect(await source.faults()).toEqual([]);
    await sql`update feed.calendars set quiet_after = '10 minutes' where calendar = 'quiet'`;
    expect(await source.faults()).toEqual([quiet]);
    await source.tick('1 minute');
    expect(await source.faults()).toEqual([]);
  });

  it('of one market says nothing of a source that has others', async () => {
    const source = await listen('mixed', null);
    await sql`select feed.add_instrument('UNKNOWN.HOURS', 'mixed')`;
    await source.alive('1 minute');
    // Hours that are not known are taken as open.
    expect(await source.faults()).toEqual([
      expect.stringMatching(/^source mixed has been silent since /),
    ]);
    const [row] = await sql<[{ rows: { symbol: string; is_open: boolean | null }[] }]>`
      select dashboard.watchlist() as rows`;
    const shown = row.rows.filter(({ symbol }) => ['MIXED', 'UNKNOWN.HOURS'].includes(symbol));
    expect(shown.map(({ is_open }) => is_open)).toEqual([false, null]);
  });
});
