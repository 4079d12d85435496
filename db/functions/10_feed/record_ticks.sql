-- One statement a batch stores it, so that a batch is stored as a whole or not at all, and the
-- change marks with it. Only when something was not stored does anybody look why.
--
-- ON CONFLICT writes each row twice, speculatively first. A batch that begins after all stored ticks of
-- its instruments, as a live one does, has nothing to conflict with and is inserted without it. Should
-- another writer be faster, or a key come twice in the batch, the unique key says so and the batch is
-- stored the slow way.
--
-- Rows go in the order of their time, as they come: so writers lock in one order, and the entries of
-- TimescaleDB's index by time are appended.
--
-- The arrays are unnested side by side in a select list: in FROM each is first written to a store of its own.
create or replace function feed.record_ticks(
  source text,
  symbols text[],
  observed_ats timestamptz[],
  seqs bigint[],
  bids double precision[],
  asks double precision[],
  lasts double precision[],
  sizes double precision[],
  future_tolerance interval default interval '5 seconds',
  copies int[] default null,
  origin feed.tick_origin default 'heard'
)
returns table (stored_count int, duplicate_count int, conflicting_count int, rejected_count int)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  received int := cardinality(symbols);
  -- Never beyond what the trigger of feed.ticks allows, which would refuse the whole batch.
  latest timestamptz := clock_timestamp() + least(future_tolerance, interval '5 seconds');
  -- As feed.retention_floor, which is dearer to call than to write out.
  oldest timestamptz := (select s.floor_at from feed.storage as s where s.level = 'ticks');
  is_newest boolean;
  keys bigint[] := seqs;
begin
  if received is null
    or (received, received, received, received, received, received) is distinct from
      (cardinality(observed_ats), cardinality(seqs), cardinality(bids), cardinality(asks), cardinality(lasts), cardinality(sizes))
    or received <> cardinality(copies)
    or array_ndims(seqs) > 1
  then
    raise exception 'the arrays of a batch must have one element per tick: % symbols, % observed_ats, % seqs, % bids, % asks, % lasts, % sizes, % copies',
      received, cardinality(observed_ats), cardinality(seqs), cardinality(bids), cardinality(asks),
      cardinality(lasts), cardinality(sizes), cardinality(copies)
      using errcode = 'ARRAY';
  end if;

  if array_position(seqs, null) is not null then
    keys := feed.place_ticks(symbols, observed_ats, seqs, bids, asks, lasts, sizes, copies);
  end if;
  is_newest := feed.is_after_stored(symbols, observed_ats);
  if is_newest then
    begin
      insert into feed.ticks (instrument_id, origin, observed_at, seq, bid, ask, last, size)
      select i.instrument_id, record_ticks.origin, t.observed_at, t.key, t.bid, t.ask, t.last, t.size
      from (
        select unnest(symbols) as symbol, unnest(observed_ats) as observed_at, unnest(seqs) as seq, unnest(keys) as key,
          unnest(bids) as bid, unnest(asks) as ask, unnest(lasts) as last, unnest(sizes) as size
      ) as t
      join feed.instruments as i on i.symbol = t.symbol
      cross join lateral feed.tick_fault(
        record_ticks.source, t.symbol, i.source, i.allows_negative, t.observed_at, t.seq, t.bid, t.ask, t.last, t.size, latest, oldest) as v
      where v.reason is null
      order by t.observed_at, i.instrument_id, t.key;
      get diagnostics stored_count = row_count;
    exception when unique_violation then
      is_newest := false;
    end;
  end if;
  if not is_newest then
    insert into feed.ticks (instrument_id, origin, observed_at, seq, bid, ask, last, size)
    select i.instrument_id, record_ticks.origin, t.observed_at, t.key, t.bid, t.ask, t.last, t.size
    from unnest(symbols, observed_ats, seqs, keys, bids, asks, lasts, sizes)
      with ordinality as t(symbol, observed_at, seq, key, bid, ask, last, size, position)
    join feed.instruments as i on i.symbol = t.symbol
    cross join lateral feed.tick_fault(
      record_ticks.source, t.symbol, i.source, i.allows_negative, t.observed_at, t.seq, t.bid, t.ask, t.last, t.size, latest, oldest) as v
    where v.reason is null
    order by t.observed_at, i.instrument_id, t.key, t.position
    on conflict do nothing;
    get diagnostics stored_count = row_count;
  end if;

  rejected_count := 0;
  conflicting_count := 0;
  if stored_count < received then
    select feed.keep_rejections(record_ticks.source,
      array_agg(t.symbol), array_agg(v.reason), array_agg(v.detail), array_agg(to_jsonb(t)::text))
    into rejected_count
    from unnest(symbols, observed_ats, seqs, bids, asks, lasts, sizes)
      as t(symbol, observed_at, seq, bid, ask, last, size)
    left join feed.instruments as i on i.symbol = t.symbol
    cross join lateral feed.tick_fault(
      record_ticks.source, t.symbol, i.source, i.allows_negative, t.observed_at, t.seq, t.bid, t.ask, t.last, t.size, latest, oldest) as v
    where v.reason is not null;
  end if;
  if stored_count + rejected_count < received then
    conflicting_count := feed.keep_conflicts(
      record_ticks.source, symbols, observed_ats, seqs, keys, bids, asks, lasts, sizes, latest, oldest);
  end if;
  duplicate_count := received - stored_count - rejected_count - conflicting_count;

  insert into feed.source_states as s
    (source, alive_at, stored_count, duplicate_count, conflicting_count, rejected_count)
  values (record_ticks.source, clock_timestamp(), record_ticks.stored_count, record_ticks.duplicate_count,
    record_ticks.conflicting_count, record_ticks.rejected_count)
  on conflict on constraint source_states_pkey do update set
    -- What a repair fetches is no sign that the stream beside it lives.
    alive_at = case when record_ticks.origin = 'heard' or s.state is distinct from 'connected' then excluded.alive_at else s.alive_at end,
    stored_count = s.stored_count + excluded.stored_count,
    duplicate_count = s.duplicate_count + excluded.duplicate_count,
    conflicting_count = s.conflicting_count + excluded.conflicting_count,
    rejected_count = s.rejected_count + excluded.rejected_count;
  return next;
end
$$;

comment on function feed.record_ticks(text, text[], timestamptz[], bigint[], double precision[], double precision[], double precision[], double precision[], interval, int[], feed.tick_origin) is
  'Store a batch of ticks, each once: array i holds tick i; absent prices are null, and the seq of a tick without an id. Such a one is the same as a stored one if time and content are the same: the n-th copy of it, which copies[i] says (from 1 on; copies absent: they are counted in the batch). Returns how many were stored, duplicate (same key, same content), conflicting (same id, other content: kept in feed.rejected_ticks), and rejected (kept there with the reason); the four add up to the batch. future_tolerance: how far observed_at (UTC) may be ahead of our clock, at most 5 seconds. origin: how we have all of them; a stored tick keeps its own. Error ARRAY: arrays of unequal length, or seqs of more than one dimension.';
grant execute on function feed.record_ticks(text, text[], timestamptz[], bigint[], double precision[], double precision[], double precision[], double precision[], interval, int[], feed.tick_origin) to foresight_ingest;
