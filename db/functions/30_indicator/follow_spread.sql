-- A series has spreads as long as an indicator of it reads them: for all others they would only make each read slower.
create or replace function indicator.follow_spread(service text, instrument_id int, timeframe text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update outbox.filters as f
  set with_spread = w.is_read
  from outbox.subscriptions as s
  cross join (
    select exists (
      select from indicator.definitions as d
      join indicator.kinds as k using (kind)
      where d.instrument_id = follow_spread.instrument_id and d.timeframe = follow_spread.timeframe and d.side = 'mid'
        and k.service = follow_spread.service and 'spread' = any (k.columns)
    ) as is_read
  ) as w
  where s.name = indicator.subscription_of(follow_spread.service) and f.subscription_id = s.subscription_id
    and f.instrument_id = follow_spread.instrument_id and f.timeframe = follow_spread.timeframe and f.side = 'mid'
    and f.with_spread is distinct from w.is_read;
end
$$;

comment on function indicator.follow_spread(text, int, text) is
  'Have the spread of a series of mid read, and its service told when it changes, if one of its indicators there reads it, and else not.';
