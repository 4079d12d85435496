create or replace function feed.first_observed_at(instrument_id int)
returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select k.first_observed_at from feed.newest_ticks as k where k.instrument_id = first_observed_at.instrument_id
$$;

comment on function feed.first_observed_at(int) is
  'When the first tick ever of an instrument was observed (UTC), though it may be dropped by now. Null when it never had one.';
