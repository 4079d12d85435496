create or replace procedure feed.refresh_candles(from_time timestamptz, to_time timestamptz, force boolean default false)
language plpgsql
as $$
declare
  instrument record;
begin
  for instrument in select i.instrument_id from feed.instruments as i order by 1 loop
    perform feed.roll_up(array_agg(t.instrument_id), array_agg(t.second))
    from (
      select distinct t.instrument_id, pg_catalog.date_trunc('second', t.observed_at) as second
      from feed.ticks as t
      where t.instrument_id = instrument.instrument_id
        and t.observed_at >= from_time and t.observed_at <= to_time
    ) as t
    having count(*) > 0;
    commit;
  end loop;
end
$$;

comment on procedure feed.refresh_candles(timestamptz, timestamptz, boolean) is
  'Make the candles whose buckets meet [from_time, to_time] (UTC) equal to the ticks, in every timeframe. Plain PostgreSQL always recomputes; a repair.';
