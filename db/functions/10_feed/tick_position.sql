-- Bytes of the time and of seq, which compare as both do: a bigint has no room for the two. The sign of seq
-- is turned for that; that of the time, before 2000 and after, is the same for all ticks of a candle. Left
-- unpinned and schema-qualified so that it is inlined into the aggregates.
-- Tried beside it and slower: bit strings, numeric, an array of (time, seq, price) with min() and max(), an
-- ordered array_agg.
create or replace function feed.tick_position(observed_at timestamptz, seq bigint)
returns bytea
language sql
immutable
parallel safe
as $$
  select pg_catalog.timestamptz_send(observed_at) || pg_catalog.int8send(seq # '-9223372036854775808'::bigint)
$$;

comment on function feed.tick_position(timestamptz, bigint) is
  'Order of a tick among those of the same day: by observed_at (UTC), then by seq.';
