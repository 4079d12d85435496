create or replace procedure feed.refresh_ranges(ranges tstzmultirange, force boolean default false)
language plpgsql
as $$
declare
  level record;
  instrument record;
  -- Candles whose ticks were dropped stay as they are.
  final_until timestamptz := (select s.dropped_to from feed.storage as s where s.level = 'ticks');
  piece record;
begin
  for piece in
    select greatest(pg_catalog.lower(r.range), final_until) as from_time, pg_catalog.upper(r.range) as to_time
    from pg_catalog.unnest(ranges) as r(range)
  loop
    -- A candle that has no tick at all is found by nobody who begins at the ticks.
    for level in select t.timeframe, t.width from feed.timeframes as t order by t.width loop
      execute format(
        'delete from feed.%1$I as c
         where c.bucket >= feed.bucket(%2$L::interval, %3$L::timestamptz) and c.bucket <= %4$L
           and not exists (
             select from feed.ticks as t
             where t.instrument_id = c.instrument_id and t.observed_at >= c.bucket and t.observed_at < c.bucket + %2$L::interval)',
        'candles_' || level.timeframe, level.width, piece.from_time, piece.to_time);
    end loop;
    commit;
    for instrument in select i.instrument_id from feed.instruments as i order by 1 loop
      perform feed.roll_up(array_agg(t.instrument_id), array_agg(t.second))
      from (
        select distinct t.instrument_id, pg_catalog.date_trunc('second', t.observed_at) as second
        from feed.ticks as t
        where t.instrument_id = instrument.instrument_id
          and t.observed_at >= piece.from_time and t.observed_at <= piece.to_time
      ) as t
      having count(*) > 0;
      commit;
    end loop;
  end loop;
end
$$;

comment on procedure feed.refresh_ranges(tstzmultirange, boolean) is
  'Make the candles whose buckets meet some ranges of time (UTC) equal to the ticks, in every timeframe. Plain PostgreSQL always recomputes; a repair. A statement of its own, by the owner.';
