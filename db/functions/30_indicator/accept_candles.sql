-- A message only says where to look. The revision is that of the captured candle, and a message that comes
-- late asks for what is true now. What was captured longer ago than outbox.purge keeps has not changed since,
-- so the message's own one is right, or too low, which does no harm. enable_seqscan is off because a plan made while
-- nothing was captured read all of outbox.candles with every message.
create or replace function indicator.accept_candles(
  service text, symbols text[], timeframes text[], sides text[], buckets timestamptz[], revisions bigint[]
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  -- Before the candles are looked at, and after those of the message were captured.
  drawn bigint := coalesce(pg_sequence_last_value('outbox.revision'), 0);
  accepted int;
  reasons text[];
  details text[];
  bodies text[];
begin
  -- It is not removed meanwhile.
  perform from indicator.services as s where s.service = accept_candles.service for key share;
  if not found then
    perform indicator.checked_service(accept_candles.service);
  end if;
  with given as materialized (
    select i.instrument_id, c.*, o.revision as captured_revision, p.paces, o.is_closed,
      case when c.revision between 1 and drawn and o.revision is not null then null
        else indicator.candle_fault(i.instrument_id, c.timeframe, c.bucket, c.revision, drawn, o.revision is not null)
      end as fault
    from unnest(symbols, timeframes, sides, buckets, revisions) as c(symbol, timeframe, side, bucket, revision)
    join feed.instruments as i on i.symbol = c.symbol
    -- By its key, as only a subquery of its own makes sure of.
    left join lateral (
      select o.revision, o.is_closed
      from outbox.candles as o
      where o.instrument_id = i.instrument_id and o.timeframe = c.timeframe and o.side = c.side and o.bucket = c.bucket
      offset 0
    ) as o on true
    cross join lateral (
      select array_agg(distinct d.forming_every) as paces
      from indicator.definitions as d
      where d.instrument_id = i.instrument_id and d.timeframe = c.timeframe and d.side = c.side
        and d.service = accept_candles.service
    ) as p
    where p.paces is not null
  ),
  taken as (
    insert into indicator.pending as old
      (service, instrument_id, timeframe, side, bucket, forming_every, revision, leased_until, accepted_at)
    select accept_candles.service, g.instrument_id, g.timeframe, g.side, g.bucket, g.pace, g.revision, g.turn_at,
      greatest(clock_timestamp(), g.turn_at)
    from (
      select g.instrument_id, g.timeframe, g.side, g.bucket, p.pace,
        max(coalesce(g.captured_revision, g.revision)) as revision,
        min(case when p.pace = '0' or g.is_closed is distinct from false then '-infinity'
          else indicator.next_turn(p.pace, g.instrument_id, g.timeframe) end) as turn_at
      from given as g
      cross join lateral unnest(g.paces) as p(pace)
      where g.fault is null
      group by 1, 2, 3, 4, 5
    ) as g
    order by 2, 3, 4, 5, 6
    on conflict on constraint pending_pkey do update
      set revision = excluded.revision, failure_count = 0,
        -- As long as it waits for its turn nobody has it in hand: it keeps its id, and no index changes.
        work_id = case when old.leased_until = old.accepted_at then old.work_id else excluded.work_id end,
        -- What is being computed now is one state, the next keeps the pace; what has its turn keeps it.
        leased_until = case when old.leased_until > statement_timestamp() then excluded.leased_until else '-infinity' end,
        accepted_at = case when old.leased_until > statement_timestamp() then excluded.accepted_at else old.accepted_at end
      where excluded.revision > old.revision
    returning instrument_id, timeframe, side, bucket
  )
  select (select count(*) from (select distinct t.instrument_id, t.timeframe, t.side, t.bucket from taken as t) as t),
    array_agg(g.fault), array_agg(format(
      '%s %s %s %s with revision %s: %s', g.symbol, g.timeframe, g.side, g.bucket, g.revision,
      case g.fault
        when 'revision_not_drawn' then format('revisions up to %s were drawn', drawn)
        when 'in_future' then 'it lies in the future'
        when 'before_history' then 'it lies before all candles that are kept'
        when 'unaligned' then 'no candle begins there'
        else 'it is no candle'
      end)),
    array_agg(jsonb_build_object(
      'symbol', g.symbol, 'timeframe', g.timeframe, 'side', g.side, 'bucket', g.bucket, 'revision', g.revision)::text)
  into accepted, reasons, details, bodies
  from given as g
  where g.fault is not null;
  if reasons is not null then
    perform indicator.set_aside(accept_candles.service, reasons, details, bodies);
  end if;
  return accepted;
end
$$;

comment on function indicator.accept_candles(text, text[], text[], text[], timestamptz[], bigint[]) is
  'Take candle deltas of a message to a service (array i is candle i): their indicators of its kinds have to be computed. Candles that cannot be are set aside in indicator.dead_letters: with a revision that was never drawn, ahead of the clock, before the history, or not at the begin of a bucket. Returns how many were news. After this the message may be deleted. Error NOSVC.';
grant execute on function indicator.accept_candles(text, text[], text[], text[], timestamptz[], bigint[]) to foresight_indicators, foresight_service;
