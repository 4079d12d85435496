create or replace function feed.create_missing_candles()
returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  missing record;
  created int := 0;
begin
  for missing in
    select t.timeframe, t.width, t.built_from
    from feed.timeframes as t
    where to_regclass(format('feed.%I', 'candles_' || t.timeframe)) is null
    order by t.width
  loop
    perform feed.create_candles(missing.timeframe, missing.width, missing.built_from);
    -- Kept for ever, until an operator says otherwise.
    insert into feed.storage (level, timeframe, relation, time_column)
    values (missing.timeframe, missing.timeframe, feed.stored_relation(missing.timeframe), 'bucket');
    created := created + 1;
  end loop;
  perform feed.define_roll_up();
  return created;
end
$$;

comment on function feed.create_missing_candles() is
  'Make the candles of every timeframe in feed.timeframes that has none; returns how many were made. Every deploy calls it.';
