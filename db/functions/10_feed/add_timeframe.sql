-- The candles are right as soon as this is committed: TimescaleDB computes them when they are read, until
-- feed.advance_candles has stored them; plain PostgreSQL fills them from the finer ones here.
create or replace function feed.add_timeframe(timeframe text)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  number_and_unit text[] := regexp_match(timeframe, '^([1-9][0-9]{0,3})([smhd])$');
  seconds int := number_and_unit[1]::int
    * case number_and_unit[2] when 's' then 1 when 'm' then 60 when 'h' then 3600 when 'd' then 86400 end;
  same text;
  finer text;
begin
  if seconds is null then
    raise exception '% is no timeframe', coalesce(quote_literal(left(timeframe, 80)), 'null')
      using errcode = 'BADTF', hint = 'A number and one of s, m, h, d, such as 30s or 2h.';
  end if;
  if 86400 % seconds <> 0 then
    raise exception 'a timeframe must divide a day, % does not', quote_literal(timeframe)
      using errcode = 'BADTF', hint = 'Else its candles would not begin at the same times each day.';
  end if;
  -- One change of the timeframes at a time.
  perform pg_advisory_xact_lock(hashtext('feed.timeframes'));
  select t.timeframe into same from feed.timeframes as t where t.width = make_interval(secs => seconds);
  if same = add_timeframe.timeframe then
    return (select t.built_from from feed.timeframes as t where t.timeframe = same);
  elsif same is not null then
    raise exception '% is as long as %, which is there already', quote_literal(timeframe), same using errcode = 'BADTF';
  end if;
  finer := feed.timeframe_dividing(make_interval(secs => seconds));
  insert into feed.timeframes (timeframe, width, built_from)
  values (add_timeframe.timeframe, make_interval(secs => seconds), finer);
  perform feed.create_missing_candles();
  return finer;
end
$$;

comment on function feed.add_timeframe(text) is
  'Keep candles of another width from now on, and for all history: a number and s, m, h or d that divides a day, such as 30s or 2h. Returns the finer timeframe that they are rolled up from; does nothing when it is there already. Errors: BADTF not a timeframe, does not divide a day, or another of the same width is there.';
