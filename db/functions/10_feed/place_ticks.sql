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
  stored feed.ticks[];
  placed bigint[];
begin
  perform pg_advisory_xact_lock(hashtext('feed.place_ticks'), i.instrument_id)
  from (
    select o.instrument_id from feed.instruments as o where o.symbol = any(symbols) order by 1
  ) as i;
  -- Nothing is looked for among the stored ticks when all of these are newer; and when no two of them are of one time
  -- either, as in most files, there is nothing to compare.
  if feed.is_after_stored(symbols, observed_ats) then
    if cardinality(symbols) = (
      select count(*) from (
        select distinct t.symbol, t.observed_at
        from (select unnest(symbols) as symbol, unnest(observed_ats) as observed_at) as t
      ) as d
    ) then
      return array(select coalesce(s.seq, -1000000000) from unnest(seqs) with ordinality as s(seq, place) order by s.place);
    end if;
  else
    stored := array(
      select s
      from (
        select array_agg(i.instrument_id) as instrument_ids, array_agg(t.observed_at) as observed_ats
        from unnest(symbols, observed_ats, seqs) as t(symbol, observed_at, seq)
        join feed.instruments as i on i.symbol = t.symbol
        where t.seq is null
      ) as k
      cross join lateral feed.stored_ticks(k.instrument_ids, k.observed_ats) as s);
  end if;

  -- Sorted once and not joined: of both sides nobody knows beforehand how many are of one time.
  with told as (
    select g.place, g.seq, i.instrument_id, g.observed_at, g.bid, g.ask, g.last, g.size,
      case when g.seq is null then coalesce(g.copy, row_number() over (
        partition by i.instrument_id, g.observed_at, g.bid, g.ask, g.last, g.size, g.seq is null
        order by g.place)) end as copy,
      null::bigint as stored_seq
    from unnest(symbols, observed_ats, seqs, bids, asks, lasts, sizes, copies)
      with ordinality as g(symbol, observed_at, seq, bid, ask, last, size, copy, place)
    left join feed.instruments as i on i.symbol = g.symbol
  ), known as (
    select t.* from told as t
    union all
    select null, null, s.instrument_id, s.observed_at, s.bid, s.ask, s.last, s.size,
      row_number() over (
        partition by s.instrument_id, s.observed_at, s.bid, s.ask, s.last, s.size order by s.seq),
      s.seq
    from unnest(stored) as s
  ), found as (
    select k.place, k.seq,
      max(k.stored_seq) over same as stored_seq,
      min(k.place) over same as first_place,
      max(k.stored_seq) filter (where k.stored_seq < 0) over (partition by k.instrument_id, k.observed_at) as taken
    from known as k
    window same as (partition by k.instrument_id, k.observed_at, k.bid, k.ask, k.last, k.size, k.copy)
  )
  select array_agg(
    coalesce(f.seq, f.stored_seq, coalesce(f.taken + 1, -1000000000) + f.first_place - 1) order by f.place)
  into placed
  from found as f
  where f.place is not null;
  return placed;
end
$$;

comment on function feed.place_ticks(text[], timestamptz[], bigint[], double precision[], double precision[], double precision[], double precision[], int[]) is
  'The keys of a batch of feed.record_ticks, whose arrays these are: seqs, and for each tick without one the seq of the stored tick that is the same, else a place behind those stored of its time (UTC). A tick of no instrument keeps none.';
