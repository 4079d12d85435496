-- Write feed.roll_up(instrument_ids, tick_times): recompute the finest candles that hold these ticks,
-- then the coarser ones above them.
--
-- A recomputation, not a merge: open and close need the order of all ticks, and what is computed
-- from the ticks is right whatever happened before. It costs the ticks of the touched seconds and at
-- most 60 + 5 + 3 + 4 + 4 + 6 rows above them, each found by its key: an aggregate per bucket, in a
-- lateral query, leaves the planner no other way. As one join with one grouping it read all finer
-- candles there are.
--
-- Writers of one instrument wait for each other (advisory lock), and each statement below sees what
-- was committed before it began: else two writers of one second would both miss the other's ticks.
--
-- Write feed.roll_up(ticks) too, for ticks that were just stored: those of an instrument that has none after
-- them, as a live batch has, are merged into their candles; of any other instrument all are recomputed. A
-- merge costs the new ticks alone, a recomputation those of their whole second and 60 candles of their
-- minute with every batch. Only after the wait for other writers is known what is newest.
--
-- Written out for the timeframes there are, so that its plans are cached: as dynamic SQL,
-- planning took most of the time of a small statement. jit is off: compiling takes longer than running.
-- enable_seqscan is off: a plan made while there were few ticks read all of them with every batch.
create or replace function feed.define_roll_up()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $define$
declare
  level record;
  measures text;
  sorted_measures text;
  columns text;
  assignments text;
  merges text;
  body text := '';
  finest text := (select t.timeframe from feed.timeframes as t where t.built_from is null);
  merge_body text := '';
begin
  for level in select t.timeframe, t.width, t.built_from from feed.timeframes as t order by t.width loop
    select m.columns, m.measures into columns, measures from feed.candle_measures(level.built_from) as m;
    select m.measures into sorted_measures from feed.candle_measures(level.built_from, is_sorted => true) as m;
    select string_agg(format('%1$s = excluded.%1$s', trim(c)), ', ') into assignments
    from string_to_table(columns, ',') as c;
    -- No null is lost: a side that had no price yet has one now, or the other way round.
    select string_agg(format(
        case
          when c like '%count' then '%1$s = c.%1$s + excluded.%1$s'
          when c = 'volume' or c like '%sum' then '%1$s = coalesce(c.%1$s + excluded.%1$s, c.%1$s, excluded.%1$s)'
          when c like '%open' then '%1$s = coalesce(c.%1$s, excluded.%1$s)'
          when c like '%close' then '%1$s = coalesce(excluded.%1$s, c.%1$s)'
          when c like '%high' then '%1$s = greatest(c.%1$s, excluded.%1$s)'
          when c like '%low' then '%1$s = least(c.%1$s, excluded.%1$s)'
        end, c), ', ') into merges
    from (select trim(c) as c from string_to_table(columns, ',') as c) as c;
    merge_body := merge_body || format(
      $statement$
  %10$s added_%9$s (instrument_id, bucket, %2$s) as materialized (
    select s.instrument_id, s.new_bucket, %3$s
    from (
      select t.*, feed.bucket(%4$L::interval, t.%5$s) as new_bucket
      from %6$s as t
      order by t.instrument_id, new_bucket, t.%5$s%8$s
    ) as s
    group by 1, 2
  ), merged_%9$s as (
    insert into feed.%1$I as c (instrument_id, bucket, %2$s)
    select * from added_%9$s order by instrument_id, bucket
    on conflict (instrument_id, bucket) do update set %7$s
  )$statement$,
      'candles_' || level.timeframe, columns, sorted_measures, level.width,
      case when level.built_from is null then 'observed_at' else 'bucket' end,
      case when level.built_from is null
        then '(select t.*, (t.bid + t.ask) / 2 as mid from unnest(ticks) as t where t.instrument_id = any (newest_ids))'
        else 'added_' || level.built_from end,
      merges, case when level.built_from is null then ', t.seq' else '' end, level.timeframe,
      case when merge_body = '' then 'with' else ',' end);
    body := body || format(
      $statement$
  insert into feed.%1$I (instrument_id, bucket, %2$s)
  select touched.instrument_id, touched.bucket, candle.*
  from (
    select distinct t.instrument_id, feed.bucket(%4$L::interval, t.tick_time) as bucket
    from unnest(instrument_ids, tick_times) as t(instrument_id, tick_time)
  ) as touched
  cross join lateral (select %3$s from %5$s having count(*) > 0) as candle
  order by touched.instrument_id, touched.bucket
  on conflict (instrument_id, bucket) do update set %6$s;
$statement$,
      'candles_' || level.timeframe, columns, measures, level.width,
      case when level.built_from is null
        then format(
          '(select t.*, (t.bid + t.ask) / 2 as mid from feed.ticks as t
           where t.instrument_id = touched.instrument_id
             and t.observed_at >= touched.bucket and t.observed_at < touched.bucket + %L::interval) as s', level.width)
        else format(
          'feed.%I as s
           where s.instrument_id = touched.instrument_id
             and s.bucket >= touched.bucket and s.bucket < touched.bucket + %L::interval',
          'candles_' || level.built_from, level.width) end,
      assignments);
  end loop;
  execute format(
    $function$
create or replace function feed.roll_up(instrument_ids int[], tick_times timestamptz[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set enable_seqscan = off
as %L$function$,
    E'begin\n  perform pg_advisory_xact_lock(hashtext(''feed.roll_up''), i.instrument_id)
  from (select distinct unnest(instrument_ids) as instrument_id order by 1) as i;\n' || body || 'end');
  comment on function feed.roll_up(int[], timestamptz[]) is
    'Recompute every candle that holds one of these ticks (instrument and observed_at, UTC), in every timeframe, from the ticks up. Written by feed.define_roll_up().';
  revoke execute on function feed.roll_up(int[], timestamptz[]) from public;
  execute format(
    $function$
create or replace function feed.roll_up(ticks feed.ticks[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
set enable_seqscan = off
as %L$function$,
    $body$declare
  newest_ids int[];
  merged_count bigint;
begin
  perform pg_advisory_xact_lock(hashtext('feed.roll_up'), i.instrument_id)
  from (select distinct t.instrument_id from unnest(ticks) as t order by 1) as i;
  select coalesce(array_agg(n.instrument_id), '{}') into newest_ids
  from (
    select t.instrument_id, count(*) as tick_count, min(t.observed_at) as observed_at from unnest(ticks) as t group by 1
  ) as n
  where n.tick_count = (
    select count(*) from (
      select from feed.ticks as s
      where s.instrument_id = n.instrument_id and s.observed_at >= n.observed_at
      limit n.tick_count + 1
    ) as s
  );
  perform feed.roll_up(array_agg(t.instrument_id), array_agg(t.second))
  from (
    select distinct t.instrument_id, date_trunc('second', t.observed_at) as second
    from unnest(ticks) as t
    where t.instrument_id <> all (newest_ids)
  ) as t
  having count(*) > 0;
  if newest_ids = '{}' then
    return;
  end if;
$body$ || merge_body || coalesce(E'\n  select count(*) into merged_count from added_' || finest || E';\n', '') || 'end');
  comment on function feed.roll_up(feed.ticks[]) is
    'Bring ticks that this transaction has just stored, each given once, into every candle that holds them: merged where they are the newest of their instrument, else recomputed. Written by feed.define_roll_up().';
  revoke execute on function feed.roll_up(feed.ticks[]) from public;
end
$define$;

comment on function feed.define_roll_up() is
  'Prepare what keeps the candles, after the timeframes changed. Plain PostgreSQL: writes both functions feed.roll_up.';
