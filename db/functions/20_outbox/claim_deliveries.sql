-- The claim is a lease: a publisher that dies loses it after 20 seconds, and one that comes back late
-- can only send what consumers already know better (lower revisions).
-- Each subscription gets its own share, oldest first: a long backlog of one delays no other.
create or replace function outbox.claim_deliveries(max_deliveries int default 1000, except_queues text[] default '{}')
returns table (
  subscription_id int, subscription text, queue text,
  instrument_id int, symbol text, timeframe text, side text, bucket timestamptz,
  open double precision, high double precision, low double precision, close double precision,
  average double precision, sum double precision, volume double precision, tick_count bigint,
  is_closed boolean, revision bigint, claimed_at timestamptz
)
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
  with claimed as (
    update outbox.deliveries as d
    set claimed_until = clock_timestamp() + interval '20 seconds'
    -- By their place in the table, whatever the planner believes of its size.
    where d.ctid = any (array(
      select free.ctid
      from outbox.subscriptions as s
      cross join lateral (
        select w.ctid
        from outbox.deliveries as w
        where w.subscription_id + 0 = s.subscription_id
          and w.claimed_until < statement_timestamp() and w.due_at <= statement_timestamp()
        order by w.queued_at
        limit max_deliveries
        for update skip locked
      ) as free
      where not s.is_paused and s.retry_at <= statement_timestamp() and s.queue <> all (except_queues)
    ))
    returning d.*
  )
  select s.subscription_id, s.name, s.queue,
    i.instrument_id, i.symbol, c.timeframe, c.side, c.bucket,
    feed.without_noise(c.open, c.side), feed.without_noise(c.high, c.side),
    feed.without_noise(c.low, c.side), feed.without_noise(c.close, c.side),
    feed.without_noise(c.sum / c.tick_count), feed.without_noise(c.sum), feed.without_noise(c.volume),
    c.tick_count, c.is_closed, c.revision, statement_timestamp()
  from claimed as d
  join outbox.subscriptions as s on s.subscription_id = d.subscription_id
  join feed.instruments as i on i.instrument_id = d.instrument_id
  -- Each by its key, as only a subquery of its own makes sure of.
  cross join lateral (
    select c.*
    from outbox.candles as c
    where c.instrument_id = d.instrument_id and c.timeframe = d.timeframe and c.side = d.side and c.bucket = d.bucket
    offset 0
  ) as c
  order by d.queued_at
$$;

comment on function outbox.claim_deliveries(int, text[]) is
  'Take up to max_deliveries waiting candles of each subscription for 20 seconds, oldest first, with their newest state. claimed_at (UTC) is for outbox.mark_sent. except_queues: queues that somebody sends to right now.';
grant execute on function outbox.claim_deliveries(int, text[]) to foresight_publish;
