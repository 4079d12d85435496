-- In PL/pgSQL, which keeps its plan: to plan what reads a hypertable takes longer than to read it.
create or replace function feed.first_observed_at(instrument_id int)
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    (select i.first_observed_at from feed.instruments as i where i.instrument_id = first_observed_at.instrument_id),
    (select k.observed_at from feed.ticks as k
     where k.instrument_id = first_observed_at.instrument_id order by k.observed_at limit 1));
end
$$;

comment on function feed.first_observed_at(int) is
  'When the first tick ever of an instrument was observed (UTC), though it may be dropped by now. Null when it never had one.';
