create or replace function feed.open_gap(instrument_id int, gap_from timestamptz, gap_to timestamptz, cause text)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into feed.gaps (instrument_id, gap_from, gap_to, missing, cause)
  select open_gap.instrument_id, lower(r), upper(r), tstzmultirange(r), left(open_gap.cause, 500)
  from unnest(
    -- Both ways round, as the condition below may be looked at later.
    tstzmultirange(tstzrange(open_gap.gap_from, greatest(open_gap.gap_from, open_gap.gap_to), '()'))
    - coalesce((
        select range_agg(k.known)
        from (
          select unnest(g.missing) as known from feed.gaps as g
          where g.instrument_id = open_gap.instrument_id and not isempty(g.missing)
            and g.gap_to > open_gap.gap_from and g.gap_from < open_gap.gap_to
          union all
          select tstzrange(c.covered_from, c.covered_to, '[]') from feed.coverage as c
          where c.instrument_id = open_gap.instrument_id
            and c.covered_to > open_gap.gap_from and c.covered_from < open_gap.gap_to
        ) as k
      ), '{}')) as r
  where open_gap.gap_from < open_gap.gap_to and lower(r) < upper(r)
$$;

comment on function feed.open_gap(int, timestamptz, timestamptz, text) is
  'Write down that an instrument''s ticks between two times (UTC) may be missing, as far as they are not covered and no gap says so already. An absent time opens nothing.';
