create or replace function alert.tg_rules__watch()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Who adds or removes a rule on the same candles at the same time is waited for, and then seen.
  perform pg_advisory_xact_lock(hashtext('alert.rules'));
  delete from indicator.watched as w
  where not exists (
    select from alert.rules as r
    where r.instrument_id = w.instrument_id and r.timeframe = w.timeframe and r.side = w.side and not r.is_paused
  );
  insert into indicator.watched as w (instrument_id, timeframe, side, from_bucket)
  select r.instrument_id, r.timeframe, r.side, min(coalesce(r.from_bucket, '-infinity'))
  from alert.rules as r where r.instrument_id is not null and not r.is_paused
  group by 1, 2, 3
  order by 1, 2, 3
  on conflict on constraint watched_pkey do update set from_bucket = excluded.from_bucket
  where w.from_bucket <> excluded.from_bucket;
  return null;
end
$$;

comment on function alert.tg_rules__watch() is
  'The candles that rules are about are those of which changed values are marked.';

create or replace trigger _500_watch
  after insert or update of is_paused, side, from_bucket or delete on alert.rules
  for each statement execute function alert.tg_rules__watch();
