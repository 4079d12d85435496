create or replace function indicator.remove(indicator_id int)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  gone indicator.definitions;
  gone_service text;
begin
  delete from indicator.definitions as d where d.indicator_id = remove.indicator_id returning d.* into gone;
  if gone.indicator_id is null then
    return false;
  end if;
  select k.service into gone_service from indicator.kinds as k where k.kind = gone.kind;
  delete from outbox.filters as f
  using outbox.subscriptions as s
  where s.name = indicator.subscription_of(gone_service) and f.subscription_id = s.subscription_id
    and f.instrument_id = gone.instrument_id and f.timeframe = gone.timeframe and f.side = gone.side
    and not exists (
      select from indicator.definitions as d
      join indicator.kinds as k using (kind)
      where d.instrument_id = gone.instrument_id and d.timeframe = gone.timeframe and d.side = gone.side
        and k.service = gone_service
    );
  return true;
end
$$;

comment on function indicator.remove(int) is 'Remove an indicator and its values. Returns whether there was one.';
