create or replace function outbox.tg_timeframes__forget()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  users text;
begin
  select string_agg(distinct 'the subscription ' || s.name, ', ') into users
  from outbox.filters as f join outbox.subscriptions as s using (subscription_id)
  where f.timeframe = old.timeframe;
  if users is not null then
    raise exception 'the candles of % are needed by %', old.timeframe, left(users, 500)
      using errcode = 'TFUSE', hint = 'End those first: outbox.unsubscribe(name).';
  end if;
  -- No capture reads the candles meanwhile.
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));
  -- In the order of outbox.queue_deliveries, in which those who mark as sent lock them too.
  perform from outbox.deliveries as d where d.timeframe = old.timeframe
  order by d.subscription_id, d.instrument_id, d.side, d.bucket
  for update;
  delete from outbox.deliveries as d where d.timeframe = old.timeframe;
  delete from outbox.candles as c where c.timeframe = old.timeframe;
  delete from outbox.late_changes as c where c.timeframe = old.timeframe;
  return old;
end
$$;

comment on function outbox.tg_timeframes__forget() is
  'Before a timeframe is removed: forget what was captured of its candles. Error TFUSE: a subscription needs it.';

create or replace trigger _120_forget_deltas
  before delete on feed.timeframes
  for each row execute function outbox.tg_timeframes__forget();
