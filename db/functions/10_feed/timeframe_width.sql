create or replace function feed.timeframe_width(timeframe text)
returns interval
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  found_width interval;
begin
  select t.width into found_width from feed.timeframes as t where t.timeframe = timeframe_width.timeframe;
  if found_width is null then
    raise exception 'there is no timeframe %', quote_literal(left(timeframe_width.timeframe, 80))
      using errcode = 'NOTFR',
        hint = (select 'Choose one of ' || string_agg(t.timeframe, ', ' order by t.width) from feed.timeframes as t);
  end if;
  return found_width;
end
$$;

comment on function feed.timeframe_width(text) is 'The width of a timeframe such as 1m. Error NOTFR when there is none.';
grant execute on function feed.timeframe_width(text) to foresight_ingest, foresight_publish, foresight_indicators;
