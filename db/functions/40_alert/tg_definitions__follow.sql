create or replace function alert.tg_definitions__follow()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- In the order in which alert.detect locks them.
  perform from alert.rules as r
  where r.instrument_id = new.instrument_id and r.timeframe = new.timeframe and r.side = old.side
  order by r.rule_id for no key update;
  update alert.rules as r set side = new.side
  where r.indicator_id = new.indicator_id
    or r.kind = 'rating' and r.instrument_id = new.instrument_id and r.timeframe = new.timeframe and r.side = old.side
      and not exists (
        select from rating.series as s
        where s.instrument_id = r.instrument_id and s.timeframe = r.timeframe and s.side = r.side
      );
  return null;
end
$$;

comment on function alert.tg_definitions__follow() is
  'A rule is about the side that its indicator gets when the first ticks tell which there is.';

create or replace trigger _600_follow_side
  after update of side on indicator.definitions
  for each row when (old.side <> new.side) execute function alert.tg_definitions__follow();
