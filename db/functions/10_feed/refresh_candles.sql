create or replace procedure feed.refresh_candles(from_time timestamptz, to_time timestamptz, force boolean default false)
language plpgsql
as $$
begin
  if from_time is null or to_time is null or from_time > to_time then
    raise exception 'from_time % is not before to_time %', coalesce(from_time::text, 'null'), coalesce(to_time::text, 'null')
      using errcode = '22023';
  end if;
  call feed.refresh_ranges(pg_catalog.tstzmultirange(pg_catalog.tstzrange(from_time, to_time, '[]')), force);
end
$$;

comment on procedure feed.refresh_candles(timestamptz, timestamptz, boolean) is
  'Make the candles whose buckets meet [from_time, to_time] (UTC) equal to the ticks, in every timeframe. force also recomputes what TimescaleDB believes to be up to date; plain PostgreSQL always recomputes. A statement of its own, by the owner. Errors 22023: no such range; 55P03: another refresh runs now, try again later.';
