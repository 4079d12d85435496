create or replace function indicator.remove(indicator_id int)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  gone indicator.definitions;
begin
  delete from indicator.definitions as d where d.indicator_id = remove.indicator_id returning d.* into gone;
  if gone.indicator_id is null then
    return false;
  end if;
  delete from outbox.filters as f
  using outbox.subscriptions as s
  where s.name = 'indicators' and f.subscription_id = s.subscription_id
    and f.instrument_id = gone.instrument_id and f.timeframe = gone.timeframe and f.side = gone.side
    and not exists (
      select from indicator.definitions as d
      where d.instrument_id = gone.instrument_id and d.timeframe = gone.timeframe and d.side = gone.side
    );
  return true;
end
$$;

comment on function indicator.remove(int) is 'Remove an indicator and its values. Returns whether there was one.';
