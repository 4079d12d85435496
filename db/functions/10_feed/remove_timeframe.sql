-- The schemas above have triggers on feed.timeframes: each refuses while something of its own needs the
-- candles, and forgets what it made of them.
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
  ) as u(name);
  if users is not null then
    raise exception 'the candles of % are needed by %', remove_timeframe.timeframe, users
      using errcode = 'TFUSE', hint = 'Remove coarser timeframes first: feed.remove_timeframe(timeframe).';
  end if;
  delete from feed.timeframes as t where t.timeframe = remove_timeframe.timeframe;
  perform feed.drop_candles(remove_timeframe.timeframe);
  perform feed.define_roll_up();
end
$$;

comment on function feed.remove_timeframe(text) is
  'Drop the candles of a timeframe that nobody needs any more; what is shown of that width is put together from finer ones. Errors: NOTFR, TFUSE a coarser timeframe, a subscription or an indicator needs it, or it is the one made from the ticks.';
