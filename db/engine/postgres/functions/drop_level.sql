-- By instrument and time, as the keys are ordered: what is old is found without reading the rest.
create or replace procedure feed.drop_level(level text, before_time timestamptz)
language plpgsql
as $$
declare
  relation text := case level when 'ticks' then 'ticks' else 'candles_' || level end;
  time_column text := case level when 'ticks' then 'observed_at' else 'bucket' end;
  instrument record;
  is_left boolean;
begin
  for instrument in select i.instrument_id from feed.instruments as i order by 1 loop
    loop
      execute format('select exists (select from feed.%I as o where o.instrument_id = %s and o.%I < %L)',
        relation, instrument.instrument_id, time_column, before_time) into is_left;
      exit when not is_left;
      execute format(
        'delete from feed.%1$I as d where d.ctid = any (array(
           select o.ctid from feed.%1$I as o where o.instrument_id = %2$s and o.%3$I < %4$L order by o.%3$I limit 20000))',
        relation, instrument.instrument_id, time_column, before_time);
      commit;
    end loop;
  end loop;
end
$$;

comment on procedure feed.drop_level(text, timestamptz) is
  'Drop the ticks (level ticks) or the candles of a timeframe that are older than a time (UTC). Plain PostgreSQL: 20,000 rows a transaction.';
