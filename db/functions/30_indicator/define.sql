create or replace function indicator.define(
  instrument_id int, timeframe text, side text, is_side_open boolean, kind text, params jsonb
)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  known indicator.kinds;
  pace interval;
  added_id int;
begin
  select k.* into known from indicator.kinds as k where k.kind = define.kind;
  select case when known.closed_only or s.closed_only or s.at_once_limit > (
      select count(*) from indicator.definitions as d join indicator.kinds as k using (kind)
      where k.service = s.service and d.forming_every = '0' and not k.closed_only
    ) then '0' else interval '1 second' end
  into pace
  from indicator.services as s where s.service = known.service;
  insert into indicator.definitions
    (instrument_id, timeframe, side, is_side_open, kind, service, params, forming_every, label, bars_required, bars_window, output_count)
  select define.instrument_id, define.timeframe, define.side, define.is_side_open, define.kind, known.service, define.params,
    pace, d.label, d.bars_required, d.bars_window, d.output_count
  from indicator.derived(define.kind, define.params) as d
  on conflict on constraint definitions_instrument_id_timeframe_side_kind_params_key do nothing
  returning indicator_id into added_id;
  if added_id is null then
    select d.indicator_id into added_id from indicator.definitions as d
    where d.instrument_id = define.instrument_id and d.timeframe = define.timeframe and d.side = define.side
      and d.kind = define.kind and d.params = define.params;
    if not define.is_side_open then
      update indicator.definitions as d set is_side_open = false where d.indicator_id = added_id and d.is_side_open;
    end if;
    perform indicator.repair_subscription(known.service, added_id);
    return added_id;
  end if;

  -- First subscribe, then fill the history: a candle that changes in between is in both.
  perform indicator.subscribe(added_id);
  -- Who has a history in hand finds the next one: only the first that waits has to be told of.
  if not exists (
    select from indicator.backfills as b where b.service = known.service and b.leased_until < clock_timestamp()
  ) then
    perform indicator.nudge(known.service);
  end if;
  insert into indicator.backfills (indicator_id, service, next_bucket, revision, is_newest_due)
  values (added_id, known.service, '-infinity', 0, known.closed_only);
  return added_id;
end
$$;

comment on function indicator.define(int, text, text, boolean, text, jsonb) is
  'Compute an indicator with complete parameters from now on and on all stored candles; returns its id (the existing one''s if it is there). is_side_open: nobody asked for this side, the first ticks tell the right one. Its pace is 0, or a second when its service has as many of pace 0 as its at_once_limit.';
