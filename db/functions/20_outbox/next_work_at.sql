-- Asked with every heartbeat and after every pass: a look at the begin of an index, and for each subscription
-- one at its deliveries by their age, as a claim does it, until one is found that may go now.
create or replace function outbox.next_work_at()
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  next_at timestamptz;
begin
  -- Late ticks are captured after upkeep has refreshed them.
  if exists (
    select from outbox.changes as c
    where c.changed_from >= (select feed.refresh_horizon()) or c.refreshed_revision = c.revision
  ) then
    return statement_timestamp();
  end if;
  next_at := (select c.closes_at from outbox.candles as c where not c.is_closed order by c.closes_at limit 1);
  if next_at <= statement_timestamp() then
    return statement_timestamp();
  end if;
  with sendable as materialized (
    select s.retry_at,
      coalesce(
        (
          select timestamptz '-infinity'
          from outbox.deliveries as d
          where d.subscription_id + 0 = s.subscription_id
            and d.claimed_until < statement_timestamp() and d.due_at <= statement_timestamp()
          order by d.queued_at limit 1
        ),
        (
          select min(greatest(d.claimed_until, d.due_at))
          from outbox.deliveries as d where d.subscription_id = s.subscription_id
        )
      ) as free_at
    from outbox.subscriptions as s where not s.is_paused
  ),
  backfilling as materialized (
    select s
    from (select distinct c.subscription_id from outbox.backfills as c) as c
    join outbox.subscriptions as s using (subscription_id)
  )
  select least(
    next_at,
    (select min(greatest(w.retry_at, w.free_at)) from sendable as w where w.free_at is not null),
    (
      select min((c.s).retry_at) from backfilling as c
      where outbox.may_backfill(c.s) or not (c.s).is_paused and (c.s).retry_at > statement_timestamp()
    )
  ) into next_at;
  return case when next_at is not null then greatest(statement_timestamp(), next_at) end;
end
$$;

comment on function outbox.next_work_at() is
  'When there is next something to do (UTC): now if marks wait to be captured or something has to be closed, sent or queued, else when the next candle closes, the next paced candle is due, a lease or the wait after a failed send ends. Null: nothing, until something changes.';
grant execute on function outbox.next_work_at() to foresight_publish;
