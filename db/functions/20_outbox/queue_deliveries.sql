-- Deliveries are locked by timeframe, subscription, instrument, side and bucket, here and wherever
-- several are changed, so that two statements cannot lock each other's rows.
create or replace function outbox.queue_deliveries(deltas outbox.delta[], only_subscription int default null)
returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  queued int;
begin
  -- In one statement, so that the subscriptions whose history ends here are exactly those that are told.
  with begun as (
    update outbox.backfills as b
    set since_revision = (select min(d.revision) - 1 from unnest(deltas) as d)
    where only_subscription is null and b.ctid = any (array(
      select u.ctid from outbox.backfills as u where u.since_revision is null
      -- Of one that is just being asked for again, a later capture says so: it is told some of it twice.
      for update skip locked
    ))
  )
  insert into outbox.deliveries as old (subscription_id, instrument_id, timeframe, side, bucket, revision, changed_at, due_at)
  select distinct s.subscription_id, d.instrument_id, d.timeframe, d.side, d.bucket, d.revision, d.changed_at,
    -- The same moments for all candles of a subscription, so that they go in few messages.
    case when d.is_closed or s.forming_every = interval '0' then '-infinity'
      else feed.bucket(nullif(s.forming_every, interval '0'), statement_timestamp()) + s.forming_every end
  from unnest(deltas) as d
  join outbox.filters as f
    on f.side = d.side
    and (f.instrument_id is null or f.instrument_id = d.instrument_id)
    and (f.timeframe is null or f.timeframe = d.timeframe)
  join outbox.subscriptions as s on s.subscription_id = f.subscription_id
  where (d.is_closed or not s.closed_only)
    and (only_subscription is null or s.subscription_id = only_subscription)
  order by 3, 1, 2, 4, 5
  on conflict (subscription_id, instrument_id, timeframe, side, bucket) do update
    set revision = greatest(old.revision, excluded.revision),
      changed_at = least(old.changed_at, excluded.changed_at),
      -- What is being sent now is one state; the next keeps the pace.
      due_at = case when old.claimed_until > statement_timestamp() then excluded.due_at
        else least(old.due_at, excluded.due_at) end;
  get diagnostics queued = row_count;
  return queued;
end
$$;

comment on function outbox.queue_deliveries(outbox.delta[], int) is
  'Queue deltas for every subscription that wants them, or for only one of these; a delivery that still waits only gets the higher revision. Returns how many deliveries that were.';
