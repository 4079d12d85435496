create or replace procedure ops.reconcile_yesterday()
language plpgsql
as $$
declare
  today timestamptz := feed.bucket(interval '1 day', now());
begin
  -- A few minutes later, when the last ticks and candles of the day have come to rest.
  if now() < today + interval '10 minutes' or exists (
    select from ops.reconciliations as r where r.from_time = today - interval '1 day' and r.finished_at >= today
  ) then
    return;
  end if;
  call ops.reconcile(today - interval '1 day', today);
end
$$;

comment on procedure ops.reconcile_yesterday() is
  'ops.reconcile for the last whole day (UTC), once, from ten minutes after it on. Upkeep calls it when it maintains.';
