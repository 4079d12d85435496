create or replace function indicator.repair_subscription(service text, indicator_id int default null)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  unheard int;
  repaired int := 0;
begin
  for unheard in
    select d.indicator_id
    from indicator.definitions as d
    join indicator.kinds as k using (kind)
    where k.service = repair_subscription.service
      and (repair_subscription.indicator_id is null or d.indicator_id = repair_subscription.indicator_id)
      and not exists (
        select from outbox.filters as f
        join outbox.subscriptions as o using (subscription_id)
        where o.name = indicator.subscription_of(repair_subscription.service)
          and f.instrument_id = d.instrument_id and f.timeframe = d.timeframe and f.side = d.side
      )
    order by d.indicator_id
  loop
    perform indicator.subscribe(unheard);
    -- What it was not told of meanwhile.
    perform indicator.recompute(unheard);
    repaired := repaired + 1;
  end loop;
  return repaired;
end
$$;

comment on function indicator.repair_subscription(text, int) is
  'Have a service told again about the candles of its indicators, or of one, of which it is not told any more, and compute those anew; returns how many indicators.';
