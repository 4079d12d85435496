create or replace function feed.tg_ticks__roll_up()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform feed.roll_up(array_agg(row(n.*)::feed.ticks)) from new_ticks as n having count(*) > 0;
  return null;
end
$$;

comment on function feed.tg_ticks__roll_up() is 'Keep the candles equal to the ticks: runs once per statement that inserts ticks.';

create or replace trigger _500_roll_up
  after insert on feed.ticks
  referencing new table as new_ticks
  for each statement execute function feed.tg_ticks__roll_up();
