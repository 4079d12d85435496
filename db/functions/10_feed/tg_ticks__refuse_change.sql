create or replace function feed.tg_ticks__refuse_change()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'ticks are facts: they are never changed or deleted (% refused)', lower(tg_op)
    using errcode = 'FACTS', hint = 'Candles and values would no longer follow from the ticks.';
end
$$;

comment on function feed.tg_ticks__refuse_change() is 'Refuse UPDATE and TRUNCATE of ticks. Error FACTS.';

create or replace trigger _050_refuse_change
  before update or truncate on feed.ticks
  for each statement execute function feed.tg_ticks__refuse_change();
