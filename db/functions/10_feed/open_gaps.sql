-- That something was missed may be known late, as by the next id: what was told as heard meanwhile is taken back.
create or replace function feed.open_gaps(
  source text, symbols text[], gap_froms timestamptz[], gap_tos timestamptz[], causes text[]
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  latest timestamptz;
  gap record;
begin
  if (cardinality(gap_froms), cardinality(gap_tos), cardinality(causes))
    is distinct from (cardinality(symbols), cardinality(symbols), cardinality(symbols))
  then
    raise exception 'gaps must have one element a gap: % symbols, % gap_froms, % gap_tos, % causes',
      cardinality(symbols), cardinality(gap_froms), cardinality(gap_tos), cardinality(causes)
      using errcode = 'ARRAY';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('feed.coverage ' || open_gaps.source, 0));
  latest := clock_timestamp();
  for gap in
    select i.instrument_id, t.gap_from, least(t.gap_to, latest) as gap_to, coalesce(t.cause, 'the source missed it') as cause
    from unnest(symbols, gap_froms, gap_tos, causes) as t(symbol, gap_from, gap_to, cause)
    join feed.instruments as i on i.symbol = t.symbol and i.source = open_gaps.source
    where t.gap_from < least(t.gap_to, latest)
    order by 1, 2
  loop
    with cut as (
      delete from feed.coverage as c
      where c.instrument_id = gap.instrument_id and c.grade = 'heard'
        and c.covered_from < gap.gap_to and c.covered_to > gap.gap_from
      returning c.covered_from, c.covered_to
    ), kept as (
      select c.covered_from, gap.gap_from as covered_to from cut as c where c.covered_from <= gap.gap_from
      union all
      select gap.gap_to, c.covered_to from cut as c where c.covered_to >= gap.gap_to
    )
    insert into feed.coverage (instrument_id, grade, covered_from, covered_to)
    select gap.instrument_id, 'heard', k.covered_from, k.covered_to from kept as k;
    perform feed.open_gap(gap.instrument_id, gap.gap_from, gap.gap_to, gap.cause);
  end loop;
end
$$;

comment on function feed.open_gaps(text, text[], timestamptz[], timestamptz[], text[]) is
  'A source says that it missed something: of symbol i ticks may be missing between gap_from i and gap_to i (UTC, at most until now), because of cause i. What was told as heard of then is so no longer. Symbols of other sources are left out. Error ARRAY: arrays of unequal length.';
grant execute on function feed.open_gaps(text, text[], timestamptz[], timestamptz[], text[]) to foresight_ingest;
