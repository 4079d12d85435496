import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { withSessions } from '../../../tests/support/session.ts';
import { at, secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

describeOnEngine('Coverage', ({ sql, as }) => {
  const feed = createFeed(sql);
  const source = 'manual';

  const stretch = (symbol: string, from: string, to: string, cause: string | null = null) => ({
    symbol,
    from: at(from),
    to: at(to),
    cause,
  });
  const hear = (symbol: string, from: string, to: string, cause?: string) =>
    feed.extendCoverage(source, [stretch(symbol, from, to, cause)]);

  async function coverage(symbol: string): Promise<string[]> {
    const rows = await sql<{ text: string }[]>`
      select c.grade || ' ' || to_char(c.covered_from, 'HH24:MI:SS') || ' ' || to_char(c.covered_to, 'HH24:MI:SS') as text
      from feed.coverage as c where c.instrument_id = feed.instrument_id(${symbol})
      order by c.covered_from, c.grade`;
    return rows.map(row => row.text);
  }
  /** Open ones as what is missing, closed ones with their grade. */
  async function gaps(symbol: string): Promise<string[]> {
    const rows = await sql<{ text: string }[]>`
      select to_char(g.gap_from, 'HH24:MI:SS') || ' ' || to_char(g.gap_to, 'HH24:MI:SS') || ' ' || g.cause ||
        case when g.closed_at is not null then ' closed ' || g.grade
          else (select coalesce(string_agg(format(', missing %s to %s', to_char(lower(m), 'HH24:MI:SS'), to_char(upper(m), 'HH24:MI:SS')), '' order by m), '')
            from unnest(g.missing) as m) end as text
      from feed.gaps as g where g.instrument_id = feed.instrument_id(${symbol}) order by g.gap_from`;
    return rows.map(row => row.text);
  }
  const due = () => sql`update feed.gaps set next_try_at = now() where closed_at is null`;

  it('is one row that grows, and a hole in it is a gap with its cause', async () => {
    const symbol = await addInstrument(sql);
    await hear(symbol, '10:00:00', '10:00:02', 'it began');
    await hear(symbol, '10:00:02', '10:00:04', 'it went on');
    await hear(symbol, '10:00:03', '10:00:06');
    expect(await coverage(symbol)).toEqual(['heard 10:00:00 10:00:06']);
    expect(await gaps(symbol)).toEqual([]);
    await hear(symbol, '10:00:10', '10:00:12', 'nothing came for 10 s');
    await hear(symbol, '10:00:12', '10:00:14');
    expect(await coverage(symbol)).toEqual(['heard 10:00:00 10:00:06', 'heard 10:00:10 10:00:14']);
    expect(await gaps(symbol)).toEqual([
      '10:00:06 10:00:10 nothing came for 10 s, missing 10:00:06 to 10:00:10',
    ]);
  });

  it('fills a gap from either end or the middle, closes it with the weakest proof, and never twice', async () => {
    const symbol = await addInstrument(sql);
    await hear(symbol, '10:00:00', '10:01:00');
    await hear(symbol, '10:09:00', '10:10:00', 'away');
    const prove = (from: string, to: string, grade: 'exact' | 'candles') =>
      feed.extendCoverage(source, [stretch(symbol, from, to)], grade);
    await prove('10:07:00', '10:09:00', 'exact');
    expect(await gaps(symbol)).toEqual(['10:01:00 10:09:00 away, missing 10:01:00 to 10:07:00']);
    await prove('10:03:00', '10:04:00', 'candles');
    expect(await gaps(symbol)).toEqual([
      '10:01:00 10:09:00 away, missing 10:01:00 to 10:03:00, missing 10:04:00 to 10:07:00',
    ]);
    await prove('10:00:00', '10:08:00', 'exact');
    expect(await gaps(symbol)).toEqual(['10:01:00 10:09:00 away closed candles']);
    expect(await coverage(symbol)).toEqual([
      'exact 10:00:00 10:09:00',
      'heard 10:00:00 10:01:00',
      'candles 10:03:00 10:04:00',
      'heard 10:09:00 10:10:00',
    ]);
    await hear(symbol, '10:10:00', '10:11:00');
    expect(await gaps(symbol)).toHaveLength(1);
  });

  it('is taken back where the source says that it missed something', async () => {
    const symbol = await addInstrument(sql);
    await hear(symbol, '10:00:00', '10:10:00');
    const miss = (from: string, to: string) =>
      feed.openGaps(source, [stretch(symbol, from, to, 'ids 3 to 5 were skipped')]);
    await miss('10:04:00', '10:06:00');
    await miss('10:05:00', '10:06:00');
    expect(await coverage(symbol)).toEqual(['heard 10:00:00 10:04:00', 'heard 10:06:00 10:10:00']);
    expect(await gaps(symbol)).toEqual([
      '10:04:00 10:06:00 ids 3 to 5 were skipped, missing 10:04:00 to 10:06:00',
    ]);
    // Known before the stretch that would have said so.
    await miss('10:10:00', '10:11:00');
    await hear(symbol, '10:11:00', '10:12:00', 'another cause');
    expect(await gaps(symbol)).toEqual([
      '10:04:00 10:06:00 ids 3 to 5 were skipped, missing 10:04:00 to 10:06:00',
      '10:10:00 10:11:00 ids 3 to 5 were skipped, missing 10:10:00 to 10:11:00',
    ]);
    // What was proven otherwise stays proven.
    await feed.extendCoverage(source, [stretch(symbol, '10:04:00', '10:06:00')], 'exact');
    await miss('10:03:00', '10:05:00');
    expect((await gaps(symbol)).slice(0, 2)).toEqual([
      '10:03:00 10:04:00 ids 3 to 5 were skipped, missing 10:03:00 to 10:04:00',
      '10:04:00 10:06:00 ids 3 to 5 were skipped closed exact',
    ]);
  });

  it('is never of a time that is yet to come, nor of a symbol of another source', async () => {
    const symbol = await addInstrument(sql);
    const foreign = await addInstrument(sql, 'replay');
    await sql`select feed.extend_coverage('manual', array[${symbol}, ${symbol}, ${foreign}, 'NOBODY'],
      array[now() - interval '1 minute', now() + interval '1 hour', now() - interval '1 minute', now() - interval '1 minute'],
      array_fill(now() + interval '2 hours', array[4]))`;
    const rows = await sql`
      select i.symbol, c.covered_to <= clock_timestamp() as is_over
      from feed.coverage as c join feed.instruments as i using (instrument_id)
      where i.symbol = any (${[symbol, foreign, 'NOBODY']})`;
    expect([...rows]).toEqual([{ symbol, is_over: true }]);
    expect(await gaps(symbol)).toEqual([]);
    await sql`select feed.open_gaps('manual', array[${symbol}, ${foreign}],
      array_fill(now() - interval '2 seconds', array[2]), array_fill(now() + interval '1 hour', array[2]), '{x,x}')`;
    const opened = await sql`
      select i.symbol, g.gap_to <= clock_timestamp() as is_over
      from feed.gaps as g join feed.instruments as i using (instrument_id)
      where i.symbol = any (${[symbol, foreign]})`;
    expect([...opened]).toEqual([{ symbol, is_over: true }]);
  });

  it('of two that listen at once is what either heard, and no gap stays between them', async () => {
    const pieces = fc.array(fc.record({ from: fc.nat({ max: 50 }), length: fc.nat({ max: 10 }) }), {
      minLength: 1,
      maxLength: 12,
    });
    const second = createFeed(as('foresight_ingest'));
    await fc.assert(
      fc.asyncProperty(pieces, pieces, async (one, other) => {
        const symbol = await addInstrument(sql);
        const tell = async (own: typeof one, session = feed) => {
          for (const { from, length } of own) {
            const times = { from: secondsAfter(from), to: secondsAfter(from + length) };
            await session.extendCoverage(source, [{ symbol, ...times, cause: null }]);
          }
        };
        await Promise.all([tell(one), tell(other, second)]);
        const [row] = await sql`
          with told as (
            select range_agg(tstzrange(t.f, t.t, '[]')) as expected
            from unnest(${[...one, ...other].map(each => secondsAfter(each.from))}::text[]::timestamptz[],
              ${[...one, ...other].map(each => secondsAfter(each.from + each.length))}::text[]::timestamptz[]) as t(f, t)
          ), kept as (
            select range_agg(tstzrange(c.covered_from, c.covered_to, '[]')) as covered, count(*)::int as rows
            from feed.coverage as c where c.instrument_id = feed.instrument_id(${symbol})
          ), missing as (
            select range_agg(m) as missing from feed.gaps as g, unnest(g.missing) as m
            where g.instrument_id = feed.instrument_id(${symbol})
          )
          select k.covered = t.expected as is_equal, (select count(*)::int from unnest(t.expected)) = k.rows as is_merged,
            coalesce(m.missing, '{}') && k.covered as is_contradicted
          from told as t, kept as k, missing as m`;
        expect(row).toEqual({ is_equal: true, is_merged: true, is_contradicted: false });
      }),
      { numRuns: 15 },
    );
  });

  it('is what a source goes on from; without it, from the newest tick', async () => {
    const [heard, ticked, empty] = [
      await addInstrument(sql),
      await addInstrument(sql),
      await addInstrument(sql),
    ];
    await feed.recordTicks(source, [
      tickOf(heard, at('10:05:00'), { bid: 1 }),
      tickOf(ticked, at('10:05:00.000001'), { bid: 1 }),
    ]);
    await hear(heard, '10:00:00', '10:01:00');
    expect(await feed.storedUntil([heard, ticked, empty])).toEqual(
      new Map([
        [heard, '2026-03-02T10:01:00.000000Z'],
        [ticked, '2026-03-02T10:05:00.000001Z'],
      ]),
    );
  });

  it('writes a row per instrument at most, however often it is told', async () => {
    const symbols = await Promise.all([1, 2, 3].map(() => addInstrument(sql)));
    for (let second = 0; second < 60; second += 2) {
      await feed.extendCoverage(
        source,
        symbols.map(symbol => ({
          symbol,
          from: secondsAfter(second),
          to: secondsAfter(second + 2),
          cause: null,
        })),
      );
    }
    const [row] = await sql`
      select count(*)::int from feed.coverage where instrument_id in (
        select instrument_id from feed.instruments where symbol = any (${symbols}))`;
    expect(row).toEqual({ count: 3 });
  });

  it('refuses arrays of unequal length and a grade that is none', async () => {
    const symbol = await addInstrument(sql);
    const call = (args: string) => sql.unsafe(`select feed.extend_coverage('manual', ${args})`);
    await expect(call(`array['${symbol}'], '{}', array[now()]`)).rejects.toMatchObject({
      code: 'ARRAY',
    });
    await expect(
      call(`array['${symbol}'], array[now()], array[now()], '{}'`),
    ).rejects.toMatchObject({
      code: 'ARRAY',
    });
    await expect(
      call(`array['${symbol}'], array[now()], array[now()], null, 'guessed'`),
    ).rejects.toMatchObject({ code: '23514' });
    await expect(
      sql`select feed.open_gaps('manual', array[${symbol}], array[now()], array[now()], '{}')`,
    ).rejects.toMatchObject({ code: 'ARRAY' });
  });

  it('lets one process at a time repair a gap, the newest first, and later after a fault', async () => {
    await sql`update feed.gaps set missing = '{}', grade = 'impossible', closed_at = now() where closed_at is null`;
    const symbol = await addInstrument(sql);
    await feed.recordTicks(source, [
      { ...tickOf(symbol, at('10:03:00'), { bid: 1 }), seq: 7 },
      { ...tickOf(symbol, at('10:04:30'), { bid: 1 }), seq: 9 },
    ]);
    await hear(symbol, '10:00:00', '10:01:00');
    await hear(symbol, '10:02:00', '10:03:00', 'older');
    await hear(symbol, '10:04:00', '10:05:00', 'newer');
    expect(await feed.claimGap(source)).toBeNull();
    await due();
    expect(await feed.claimGap('replay')).toBeNull();
    const newer = await feed.claimGap(source);
    expect(newer).toMatchObject({
      symbol,
      from: '2026-03-02T10:03:00.000000Z',
      to: '2026-03-02T10:04:00.000000Z',
      cause: 'newer',
      before: { observedAt: '2026-03-02T10:03:00.000000Z', seq: 7 },
      after: { observedAt: '2026-03-02T10:04:30.000000Z', seq: 9 },
    });
    const older = await feed.claimGap(source);
    expect(older).toMatchObject({ cause: 'older', before: null, after: { seq: 7 } });
    expect(await feed.claimGap(source)).toBeNull();

    await feed.releaseGap(newer?.id ?? '', null);
    expect(await feed.claimGap(source)).toMatchObject({ cause: 'newer' });
    await feed.releaseGap(newer?.id ?? '', 'HTTP 503');
    expect(await feed.claimGap(source)).toBeNull();
    const [row] = await sql`
      select last_fault, next_try_at > now() + interval '5 seconds' as is_later, tries
      from feed.gaps where gap_id = ${newer?.id ?? ''}::bigint`;
    expect(row).toEqual({ last_fault: 'HTTP 503', is_later: true, tries: 2 });

    await feed.giveUpGap(newer?.id ?? '', 'the provider keeps a day');
    expect(await gaps(symbol)).toContain('10:03:00 10:04:00 newer closed impossible');
    const left = await sql<{ state: string; cause: string }[]>`
      select state, cause from ops.gaps where symbol = ${symbol} and state <> 'not listening' order by gap_from`;
    expect([...left]).toEqual([
      { state: 'open', cause: 'older' },
      { state: 'impossible', cause: 'newer' },
    ]);
  });

  it('says from which id a gap is asked for, past quotes and the last of its moment', async () => {
    await sql`update feed.gaps set missing = '{}', grade = 'impossible', closed_at = now() where closed_at is null`;
    const symbol = await addInstrument(sql);
    const trade = (time: string, seq: number | null) => ({
      ...tickOf(symbol, at(time), { bid: 1 }),
      seq,
    });
    await hear(symbol, '10:00:00', '10:01:00');
    await hear(symbol, '10:02:00', '10:03:00', 'away');
    await feed.recordTicks(source, [
      trade('10:01:00', 3),
      trade('10:02:00', null),
      trade('10:02:01', 7),
      trade('10:02:01', 9),
      trade('10:02:01', null),
      trade('10:02:02', 10),
    ]);
    await due();
    const gap = await feed.claimGap(source);
    expect(gap).toMatchObject({ before: { seq: 3 }, after: { seq: 9 } });
    await feed.giveUpGap(gap?.id ?? '', 'nobody has it');

    // So far away that asking from there would cost more than from the newest one.
    await hear(symbol, '07:00:00', '07:01:00');
    await hear(symbol, '07:02:00', '07:03:00', 'long ago');
    await sql`update feed.gaps set next_try_at = now() where closed_at is null and cause = 'long ago'`;
    expect(await feed.claimGap(source)).toMatchObject({ cause: 'long ago', after: null });
  });

  it('gives up what was claimed alone, and keeps the older part of a gap to be repaired', async () => {
    await sql`update feed.gaps set missing = '{}', grade = 'impossible', closed_at = now() where closed_at is null`;
    const symbol = await addInstrument(sql);
    await hear(symbol, '10:00:00', '10:01:00');
    await hear(symbol, '10:09:00', '10:10:00', 'away');
    await feed.extendCoverage(source, [stretch(symbol, '10:04:00', '10:08:00')], 'exact');
    await due();
    const newest = await feed.claimGap(source);
    expect(newest).toMatchObject({ from: '2026-03-02T10:08:00.000000Z' });
    await feed.giveUpGap(newest?.id ?? '', 'nobody has it');
    expect(await gaps(symbol)).toEqual([
      '10:01:00 10:08:00 away, missing 10:01:00 to 10:04:00',
      '10:08:00 10:09:00 away closed impossible',
    ]);
    await due();
    const rest = await feed.claimGap(source);
    expect(rest).toMatchObject({ id: newest?.id, from: '2026-03-02T10:01:00.000000Z' });
    await feed.extendCoverage(source, [stretch(symbol, '10:01:00', '10:04:00')], 'exact');
    expect(await gaps(symbol)).toEqual([
      '10:01:00 10:08:00 away closed exact',
      '10:08:00 10:09:00 away closed impossible',
    ]);
    const [row] = await sql`
      select last_fault from feed.gaps where instrument_id = feed.instrument_id(${symbol}) and grade = 'impossible'`;
    expect(row).toEqual({ last_fault: 'nobody has it' });
  });

  it('shows what is known by candles alone, and nothing that is known better', async () => {
    const symbol = await addInstrument(sql);
    await hear(symbol, '10:00:00', '10:01:00');
    await hear(symbol, '10:02:00', '10:03:00', 'one');
    await hear(symbol, '10:04:00', '10:05:00', 'other');
    await feed.extendCoverage(source, [stretch(symbol, '10:01:00', '10:02:00')], 'exact');
    await feed.extendCoverage(source, [stretch(symbol, '10:03:00', '10:03:30')], 'candles');
    const shown = async () =>
      (
        await sql<{ text: string }[]>`
        select g.cause || ' ' || g.state || coalesce(' ' || (g.next_try_at > now())::text, '') as text
        from ops.gaps as g where g.symbol = ${symbol} and g.state <> 'not listening'`
      ).map(row => row.text);
    expect(await shown()).toEqual(['other open']);
    await feed.extendCoverage(source, [stretch(symbol, '10:03:30', '10:04:00')], 'candles');
    expect(await shown()).toEqual(['other candles only']);
  });

  it('shows those who are not listened to now', async () => {
    const symbol = await addInstrument(sql);
    await feed.recordState(source, 'disconnected', 'HTTP 503');
    await sql`select feed.extend_coverage('manual', array[${symbol}],
      array[now() - interval '1 hour'], array[now() - interval '1 minute'])`;
    const rows = await sql`
      select state, gap_to, cause, length > interval '59 seconds' as is_long from ops.gaps where symbol = ${symbol}`;
    expect([...rows]).toEqual([
      { state: 'not listening', gap_to: null, cause: 'HTTP 503', is_long: true },
    ]);
    await sql`update feed.instruments set is_active = false where symbol = ${symbol}`;
    expect([...(await sql`select from ops.gaps where symbol = ${symbol}`)]).toEqual([]);
  });

  it('and closed gaps are forgotten with the last that is kept of their time', async () => {
    const symbol = await addInstrument(sql);
    await hear(symbol, '10:00:00', '10:01:00');
    await hear(symbol, '10:02:00', '10:03:00', 'away');
    await feed.extendCoverage(source, [stretch(symbol, '10:01:00', '10:02:00')], 'exact');
    await hear(symbol, '10:04:00', '10:05:00', 'away again');
    await sql`select feed.purge()`;
    expect(await coverage(symbol)).toHaveLength(4);
    const both = [
      '10:01:00 10:02:00 away closed exact',
      '10:03:00 10:04:00 away again, missing 10:03:00 to 10:04:00',
    ];
    expect(await gaps(symbol)).toEqual(both);
    await withSessions(sql, async ({ sql: session }) => {
      const left = async () => {
        const [row] = await session`
          select (select count(*)::int from feed.coverage where instrument_id = i.id) as stretches,
            (select array_agg(cause order by gap_from) from feed.gaps where instrument_id = i.id) as gaps
          from feed.instrument_id(${symbol}) as i(id)`;
        return row;
      };
      await session`begin`;
      const giveUp = (levels: string[]) => session`
        update feed.storage set floor_at = ${at('10:04:30')}, dropped_to = ${at('10:04:30')}
        where level = any(${levels})`;
      await giveUp(['ticks']);
      await session`select feed.purge()`;
      expect(await left()).toEqual({ stretches: 4, gaps: ['away', 'away again'] });
      await giveUp(['1s', '1m', '5m', '15m', '1h', '4h', '1d']);
      await session`select feed.purge()`;
      expect(await left()).toEqual({ stretches: 1, gaps: ['away again'] });
      await session`rollback`;
    });
    expect(await gaps(symbol)).toEqual(both);
  });
});

describeOnEngine('A source', ({ sql }) => {
  const feed = createFeed(sql);

  it('registers itself, again and again, and keeps the grace that an operator gave it', async () => {
    const register = (description: string) =>
      feed.registerSource({ name: 'fresh', isSimulated: false, description }, true);
    const read = () =>
      sql`select is_simulated, description, grace::text, is_repairable from feed.sources where source = 'fresh'`;
    await register('first');
    await sql`update feed.sources set grace = '3 seconds' where source = 'fresh'`;
    await register('second');
    expect([...(await read())]).toEqual([
      { is_simulated: false, description: 'second', grace: '00:00:03', is_repairable: true },
    ]);
    await feed.registerSource({ name: 'fresh', isSimulated: true, description: '' }, false);
    await addInstrument(sql, 'fresh');
    await expect(register('third')).rejects.toMatchObject({ code: 'LABEL' });
    await expect(sql`select feed.register_source('Not-a-code', false)`).rejects.toMatchObject({
      code: '23514',
    });
  });

  it('follows its active instruments only', async () => {
    await feed.registerSource({ name: 'other', isSimulated: true, description: '' }, false);
    const [first, second] = [await addInstrument(sql, 'other'), await addInstrument(sql, 'other')];
    expect(await feed.followed('other')).toEqual([first, second].sort());
    await sql`update feed.instruments set is_active = false where symbol = ${first}`;
    expect(await feed.followed('other')).toEqual([second]);
    await feed.hideSimulated();
    expect(await feed.followed('other')).toEqual([]);
  });
});
