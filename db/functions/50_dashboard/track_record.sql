create or replace function dashboard.track_record(indicator_id int)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  with rows as materialized (
    select r.*, r.adjusted_p_value <= 0.05 as is_evidence
    from indicator.definitions as d
    cross join lateral track.record_of(d.indicator_id) as r
    where d.indicator_id = track_record.indicator_id
  ),
  -- What was said counts, as long as there is enough of it, or of neither.
  chosen as (
    select r.* from rows as r
    where r.as_said = (select bool_or(n.as_said and n.p_value is not null) or bool_and(n.p_value is null) from rows as n)
  ),
  sentence as (
    select case when bool_and(c.p_value is null) then 'Nothing can be told: ' when bool_and(c.as_said) then 'As it was said: '
        else 'Of values as they are now, as too few were said live yet: ' end
      || coalesce(
        string_agg(format('%s candle%s later %s', c.horizon, case when c.horizon > 1 then 's' end, c.words), '; ' order by c.horizon)
          filter (where c.is_evidence),
        (array_agg(c.words order by c.p_value is null, c.verdicts desc, c.horizon))[1]) as text
    from chosen as c
  )
  select jsonb_build_object('sentence', (select s.text from sentence as s), 'rows', jsonb_agg(to_jsonb(r) order by r.as_said desc, r.horizon))
  from rows as r
  having count(*) > 0
$$;

comment on function dashboard.track_record(int) is
  'Whether the verdicts of an indicator were any good, as JSON: a sentence, which tells the horizons at which there is evidence, or that there is none, or too little to tell; and the rows of track.record_of. Null when there is none.';
grant execute on function dashboard.track_record(int) to foresight_web;
