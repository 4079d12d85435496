create or replace function indicator.unsubscribe(definition indicator.definitions)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  told text;
begin
  select k.service into told from indicator.kinds as k where k.kind = definition.kind;
  delete from outbox.filters as f
  using outbox.subscriptions as s
  where s.name = indicator.subscription_of(told) and f.subscription_id = s.subscription_id
    and f.instrument_id = definition.instrument_id and f.timeframe = definition.timeframe and f.side = definition.side
    and not exists (
      select from indicator.definitions as d
      join indicator.kinds as k using (kind)
      where d.instrument_id = f.instrument_id and d.timeframe = f.timeframe and d.side = f.side and k.service = told
    );
  perform indicator.follow_spread(told, definition.instrument_id, definition.timeframe);
end
$$;

comment on function indicator.unsubscribe(indicator.definitions) is
  'Have the service of an indicator that is gone, or was, not told about its candles any more, unless another of its indicators needs them.';
