-- Who is storing values is waited for, and who comes later sees that they are watched: none is missed in between.
create or replace function alert.lock_series(instrument_id int, timeframe text, side text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select from indicator.definitions as d
  where d.instrument_id = lock_series.instrument_id and d.timeframe = lock_series.timeframe and d.side = lock_series.side
  order by d.indicator_id
  for update
$$;

comment on function alert.lock_series(int, text, text) is
  'Until the end of this transaction no value of these candles is stored.';
