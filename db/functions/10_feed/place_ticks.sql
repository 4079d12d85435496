-- Who places ticks of an instrument waits for whoever does so already: two of them would give one place to
-- two ticks. Each statement below sees what that one committed.
--
-- A place need not be the next one free, only behind those that are taken and in the order of the batch.
create or replace function feed.place_ticks(
  symbols text[],
  observed_ats timestamptz[],
  seqs bigint[],
  bids double precision[],
  asks double precision[],
  lasts double precision[],
  sizes double precision[],
  copies int[]
)
returns bigint[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  oldest timestamptz;
  newest timestamptz;
  placed bigint[];
begin
  perform pg_advisory_xact_lock(hashtext('feed.place_ticks'), i.instrument_id)
  from (
    select o.instrument_id from feed.instruments as o where o.symbol = any(symbols) order by 1
  ) as i;
  -- Nothing is looked for among the stored ticks when all of these are newer.
  if not feed.is_after_stored(symbols, observed_ats) then
    select min(o.observed_at), max(o.observed_at) into oldest, newest from unnest(observed_ats) as o(observed_at);
  end if;

  with given as (
    select g.place, i.instrument_id, g.observed_at, g.bid, g.ask, g.last, g.size,
      coalesce(g.copy, row_number() over (
        partition by i.instrument_id, g.observed_at, g.bid, g.ask, g.last, g.size order by g.place)) as copy
    from unnest(symbols, observed_ats, seqs, bids, asks, lasts, sizes, copies)
      with ordinality as g(symbol, observed_at, seq, bid, ask, last, size, copy, place)
    join feed.instruments as i on i.symbol = g.symbol
    where g.seq is null
  ), told_once as (
    select g.*, min(g.place) over (
      partition by g.instrument_id, g.observed_at, g.bid, g.ask, g.last, g.size, g.copy) as first_place
    from given as g
  ), stored as (
    select s.instrument_id, s.observed_at, s.seq, s.bid, s.ask, s.last, s.size, row_number() over (
      partition by s.instrument_id, s.observed_at, s.bid, s.ask, s.last, s.size order by s.seq) as copy
    from (select distinct g.instrument_id, g.observed_at from given as g) as k
    join feed.ticks as s on s.instrument_id = k.instrument_id and s.observed_at = k.observed_at
    where s.observed_at between oldest and newest
  ), taken as (
    select s.instrument_id, s.observed_at, max(s.seq) as seq
    from stored as s where s.seq < 0 group by 1, 2
  ), found as (
    select o.place,
      coalesce(s.seq, coalesce(t.seq + 1, -1000000000) + o.first_place - 1) as seq
    from told_once as o
    left join stored as s on s.instrument_id = o.instrument_id and s.observed_at = o.observed_at and s.copy = o.copy
      and (s.bid, s.ask, s.last, s.size) is not distinct from (o.bid, o.ask, o.last, o.size)
    left join taken as t on t.instrument_id = o.instrument_id and t.observed_at = o.observed_at
  )
  select array_agg(coalesce(g.seq, f.seq) order by g.place) into placed
  from unnest(seqs) with ordinality as g(seq, place)
  left join found as f on f.place = g.place;
  return placed;
end
$$;

comment on function feed.place_ticks(text[], timestamptz[], bigint[], double precision[], double precision[], double precision[], double precision[], int[]) is
  'The keys of a batch of feed.record_ticks, whose arrays these are: seqs, and for each tick without one the seq of the stored tick that is the same, else a place behind those stored of its time (UTC). A tick of no instrument keeps none.';
