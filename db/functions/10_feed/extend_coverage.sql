-- Stretches of one grade never touch each other, so a stretch that goes on, as one of every instrument does
-- every two seconds, is one row that grows. Whoever writes for a source waits for the others of that source:
-- two processes that listen at once would see holes in each other's half.
create or replace function feed.extend_coverage(
  source text,
  symbols text[],
  covered_froms timestamptz[],
  covered_tos timestamptz[],
  causes text[] default null,
  grade text default 'heard'
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  latest timestamptz;
  told feed.coverage[];
  why text[];
  stretch record;
begin
  if (cardinality(covered_froms), cardinality(covered_tos), coalesce(cardinality(causes), cardinality(symbols)))
    is distinct from (cardinality(symbols), cardinality(symbols), cardinality(symbols))
  then
    raise exception 'coverage must have one element per stretch: % symbols, % covered_froms, % covered_tos, % causes',
      cardinality(symbols), cardinality(covered_froms), cardinality(covered_tos), cardinality(causes)
      using errcode = 'ARRAY';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('feed.coverage ' || extend_coverage.source, 0));
  -- Nobody has heard what is yet to come, whatever the clock of the process says.
  latest := clock_timestamp();
  select array_agg(row(i.instrument_id, extend_coverage.grade, t.covered_from, least(t.covered_to, latest))::feed.coverage
      order by i.instrument_id, t.covered_from),
    array_agg(t.cause order by i.instrument_id, t.covered_from)
  into told, why
  from unnest(symbols, covered_froms, covered_tos, causes) as t(symbol, covered_from, covered_to, cause)
  join feed.instruments as i on i.symbol = t.symbol and i.source = extend_coverage.source
  where t.covered_from <= least(t.covered_to, latest);

  update feed.coverage as c set covered_to = t.covered_to
  from unnest(told) as t
  where c.instrument_id = t.instrument_id and c.grade = t.grade
    and c.covered_from = (
      select max(k.covered_from) from feed.coverage as k
      where k.instrument_id = t.instrument_id and k.grade = t.grade and k.covered_from <= t.covered_from)
    and c.covered_to >= t.covered_from and c.covered_to < t.covered_to
    and not exists (
      select from feed.coverage as k
      where k.instrument_id = t.instrument_id and k.grade = t.grade
        and k.covered_from > t.covered_from and k.covered_from <= t.covered_to);

  for stretch in
    select t.instrument_id, t.covered_from, t.covered_to, t.cause
    from unnest(told, why) as t(instrument_id, grade, covered_from, covered_to, cause)
    where not exists (
      select from feed.coverage as k
      where k.instrument_id = t.instrument_id and k.grade = t.grade
        and k.covered_from <= t.covered_from and k.covered_to >= t.covered_to)
    order by t.instrument_id, t.covered_from
  loop
    if extend_coverage.grade = 'heard' then
      perform feed.open_gap(
        stretch.instrument_id,
        (select max(c.covered_to) from feed.coverage as c
         where c.instrument_id = stretch.instrument_id and c.covered_from <= stretch.covered_from),
        stretch.covered_from,
        coalesce(stretch.cause, 'nobody listened'));
    end if;
    with touching as (
      delete from feed.coverage as c
      where c.instrument_id = stretch.instrument_id and c.grade = extend_coverage.grade
        and c.covered_from <= stretch.covered_to and c.covered_to >= stretch.covered_from
      returning c.covered_from, c.covered_to
    )
    select least(stretch.covered_from, min(t.covered_from)), greatest(stretch.covered_to, max(t.covered_to))
    into stretch.covered_from, stretch.covered_to
    from touching as t;
    insert into feed.coverage (instrument_id, grade, covered_from, covered_to)
    values (stretch.instrument_id, extend_coverage.grade, stretch.covered_from, stretch.covered_to);
  end loop;

  update feed.gaps as g set
    missing = g.missing - t.covered,
    grade = feed.weaker_grade(g.grade, extend_coverage.grade),
    closed_at = case when isempty(g.missing - t.covered) then latest end,
    -- A repair that gets on is not to be begun again by another.
    tries = 0,
    last_fault = null,
    next_try_at = greatest(g.next_try_at, latest + interval '20 seconds')
  from (
    select u.instrument_id, range_agg(tstzrange(u.covered_from, u.covered_to, '[]')) as covered
    from unnest(told) as u
    group by u.instrument_id
  ) as t
  where g.instrument_id = t.instrument_id and g.closed_at is null and not isempty(g.missing) and g.missing && t.covered;

  if extend_coverage.grade = 'heard' and told is not null then
    update feed.source_states as s set
      alive_at = greatest(s.alive_at, t.heard_until),
      state = case when t.is_heard_after then 'connected' else s.state end,
      reason = case when t.is_heard_after then null else s.reason end,
      changed_at = case when t.is_heard_after then latest else s.changed_at end
    from (
      -- Another process of the source was stopped, or lost its connection: this one hears.
      select k.source, u.heard_until, k.state <> 'connected' and u.heard_until > k.changed_at + interval '5 seconds' as is_heard_after
      from (select max(u.covered_to) as heard_until from unnest(told) as u) as u
      join feed.source_states as k on k.source = extend_coverage.source
    ) as t
    where s.source = t.source;
  end if;
end
$$;

comment on function feed.extend_coverage(text, text[], timestamptz[], timestamptz[], text[], text) is
  'Of symbol i we have everything that its source had from covered_from i until covered_to i (UTC, both included, and never later than now): call it after the ticks of that time are stored. A stretch that touches a stored one of its grade continues it. A heard one that touches none opens a gap before it, with cause i (absent: nobody listened); any one fills open gaps, and closes what it fills whole. grade: heard, exact, time_span or candles, see feed.coverage. Symbols of other sources are left out. Errors: ARRAY arrays of unequal length, 23514 no such grade.';
grant execute on function feed.extend_coverage(text, text[], timestamptz[], timestamptz[], text[], text) to foresight_ingest;
