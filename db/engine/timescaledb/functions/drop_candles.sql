-- A refresh of the same candles that runs now takes rows of TimescaleDB 2.28.3's catalogue away under the
-- drop, or waits for it crosswise: 18 of 134 drops failed while two sessions refreshed. It is soon over.
create or replace function feed.drop_candles(timeframe text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  attempts int := 0;
begin
  loop
    begin
      execute format('drop view feed.%I', 'candles_' || timeframe);
      execute format('drop materialized view %s', feed.stored_relation(timeframe));
      return;
    exception when internal_error or deadlock_detected then
      attempts := attempts + 1;
      if attempts = 40 or (sqlstate = 'XX000' and sqlerrm not like 'tuple concurrently %') then
        raise;
      end if;
      perform pg_sleep(0.1);
    end;
  end loop;
end
$$;

comment on function feed.drop_candles(text) is 'Drop the candles of one timeframe. TimescaleDB: the view and its continuous aggregate, in spite of refreshes that run.';
