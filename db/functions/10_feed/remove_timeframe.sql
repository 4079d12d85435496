create or replace function feed.remove_timeframe(timeframe text)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  users text;
begin
  perform pg_advisory_xact_lock(hashtext('feed.timeframes'));
  perform feed.timeframe_width(remove_timeframe.timeframe);
  select string_agg(u.name, ', ' order by u.name) into users
  from (
    select 'the timeframe ' || t.timeframe from feed.timeframes as t where t.built_from = remove_timeframe.timeframe
    union all
    select 'the ticks' from feed.timeframes as t where t.timeframe = remove_timeframe.timeframe and t.built_from is null
    union all
    select distinct 'the subscription ' || s.name
    from outbox.filters as f join outbox.subscriptions as s using (subscription_id)
    where f.timeframe = remove_timeframe.timeframe
    union all
    select 'the indicator ' || d.indicator_id from indicator.definitions as d
    where d.timeframe = remove_timeframe.timeframe
    union all
    select distinct 'the default indicator ' || d.kind from indicator.defaults as d
    where d.timeframe = remove_timeframe.timeframe
  ) as u(name);
  if users is not null then
    raise exception 'the candles of % are needed by %', remove_timeframe.timeframe, left(users, 500)
      using errcode = 'TFUSE', hint = 'End those first: outbox.unsubscribe(name), indicator.remove(id), feed.remove_timeframe(timeframe).';
  end if;
  -- No capture reads them meanwhile, and what it stored of them goes too.
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));
  delete from outbox.deliveries as d where d.timeframe = remove_timeframe.timeframe;
  delete from outbox.candles as c where c.timeframe = remove_timeframe.timeframe;
  delete from indicator.pending as p where p.timeframe = remove_timeframe.timeframe;
  delete from feed.timeframes as t where t.timeframe = remove_timeframe.timeframe;
  perform feed.drop_candles(remove_timeframe.timeframe);
  perform feed.define_roll_up();
end
$$;

comment on function feed.remove_timeframe(text) is
  'Drop the candles of a timeframe that nobody needs any more. Errors: NOTFR, TFUSE a coarser timeframe, a subscription or an indicator needs it, or it is the one made from the ticks.';
