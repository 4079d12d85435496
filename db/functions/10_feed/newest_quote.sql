-- Asked by who looks, not kept by who stores: a writer would pay for it with every batch. It looks at few ticks, as where
-- there are quotes they are not rarer than that. Only a plan of its own has its bounds in time as constants.
create or replace function feed.newest_quote(instrument_id int, until_time timestamptz)
returns table (bid double precision, ask double precision, observed_at timestamptz)
language plpgsql
stable
strict
rows 1
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  from_time timestamptz := until_time - interval '5 minutes';
begin
  return query
  select r.bid, r.ask, r.observed_at
  from (
    select t.bid, t.ask, t.observed_at, t.seq from feed.ticks as t
    where t.instrument_id = newest_quote.instrument_id and t.observed_at > from_time and t.observed_at <= until_time
    order by t.observed_at desc, t.seq desc
    limit 500
  ) as r
  where coalesce(r.bid, r.ask) is not null
  order by r.observed_at desc, r.seq desc
  limit 1;
end
$$;

comment on function feed.newest_quote(int, timestamptz) is
  'Bid, ask and time (UTC) of the newest tick of an instrument that has one of them, of the 500 newest that were observed in the five minutes before until_time (UTC), it included. No row where there is none, or an argument is null.';
