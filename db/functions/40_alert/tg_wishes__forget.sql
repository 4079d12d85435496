create or replace function alert.tg_wishes__forget()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from alert.rules as r
  where r.kind = 'rating' and not exists (
    select from rating.series as s
    where s.instrument_id = r.instrument_id and s.timeframe = r.timeframe and s.side = r.side
  );
  return null;
end
$$;

comment on function alert.tg_wishes__forget() is
  'A rule on a rating goes with it.';

create or replace trigger _600_forget_rules
  after delete on indicator.wishes
  for each statement execute function alert.tg_wishes__forget();
