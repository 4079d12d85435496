-- Only claims: the windows are read afterwards (indicator.candle_windows), in a transaction of their
-- own. They see at least what the claimed revisions stand for, and nobody who brings new candles has to
-- wait while they are read. The claim is a lease of 10 seconds: a worker that dies loses it.
create or replace function indicator.claim_pending(service text, max_candles int default 500)
returns table (
  instrument_id int, timeframe text, side text, from_bucket timestamptz, to_bucket timestamptz, revision bigint,
  closed_to timestamptz, work_ids bigint[], indicators json, bars int, forming_every interval
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  claimed indicator.pending[];
begin
  with leased as (
    update indicator.pending as p
    set leased_until = clock_timestamp() + interval '10 seconds'
    -- Without sequential scans, else a plan from when it was empty reads and sorts all that waits.
    where p.work_id = any (array(
      select w.work_id
      from indicator.pending as w
      where w.service = claim_pending.service and w.leased_until < statement_timestamp()
      order by w.bucket desc, w.work_id
      limit max_candles
      for update skip locked
    ))
    returning p.*
  )
  select array_agg(l) into claimed from leased as l;
  if claimed is null then
    return;
  end if;

  return query
  with spaced as (
    -- Changed candles near each other share one window; far ones get their own, and what failed is alone.
    select c.*, t.width,
      c.bucket - lag(c.bucket) over series > t.width * 100
        or c.failure_count + lag(c.failure_count) over series > 0 as is_far
    from unnest(claimed) as c
    join feed.timeframes as t using (timeframe)
    window series as (partition by c.instrument_id, c.timeframe, c.side, c.forming_every order by c.bucket)
  ),
  numbered as (
    select s.*, count(*) filter (where s.is_far) over (
      partition by s.instrument_id, s.timeframe, s.side, s.forming_every order by s.bucket) as island
    from spaced as s
  ),
  islands as (
    select n.instrument_id, n.timeframe, n.side, n.forming_every, n.width, min(n.bucket) as from_bucket, max(n.bucket) as to_bucket,
      max(n.revision) as revision, array_agg(n.work_id order by n.bucket) as work_ids
    from numbered as n
    group by n.instrument_id, n.timeframe, n.side, n.forming_every, n.width, n.island
  )
  select i.instrument_id, i.timeframe, i.side, i.from_bucket, i.to_bucket, i.revision,
    clock_timestamp() - i.width - g.grace, i.work_ids, coalesce(d.indicators, '[]'), d.bars,
    i.forming_every
  from islands as i
  cross join lateral (
    select s.grace from feed.instruments as n join feed.sources as s using (source) where n.instrument_id = i.instrument_id
  ) as g
  cross join lateral (
    select max(d.bars_window) as bars,
      -- Not jsonb, which takes three times as long to make: of many indicators longer than the claim.
      json_agg(json_build_object('indicator_id', d.indicator_id, 'kind', d.kind, 'params', d.params,
        'bars_required', d.bars_required, 'bars_window', d.bars_window)) as indicators
    from indicator.definitions as d
    join indicator.kinds as k using (kind)
    where d.instrument_id = i.instrument_id and d.timeframe = i.timeframe and d.side = i.side
      and d.forming_every = i.forming_every and k.service = claim_pending.service
  ) as d
  order by i.forming_every, i.to_bucket desc;
end
$$;

comment on function indicator.claim_pending(text, int) is
  'Lease changed candles of a service for 10 seconds, the newest, grouped by series and pace, those of the shortest pace first, of one pace the newest first: forming_every, the pace, the indicators to compute, and bars, the longest window of candles among them (null when nobody wants the series any more). Values are due from from_bucket on, up to bars_window - 1 candles after to_bucket; buckets up to closed_to are closed (UTC). Then call indicator.finish_pending, or indicator.fail_pending for what cannot be computed; who needs longer, indicator.lease_pending.';
grant execute on function indicator.claim_pending(text, int) to foresight_indicators, foresight_service;
