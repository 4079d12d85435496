-- 20 bits of microsecond within the second and 43 bits of seq: a total order of the ticks of one
-- second. Left unpinned and schema-qualified so that it is inlined into the aggregates.
-- Tried beside it and slower: an array of (time, seq, price) with min() and max(), an ordered array_agg.
create or replace function feed.tick_position(observed_at timestamptz, seq bigint)
returns bigint
language sql
immutable
parallel safe
as $$
  select ((pg_catalog.date_part('microseconds', observed_at - timestamptz '1970-01-01 00:00:00+00')::bigint % 1000000) << 43) | seq
$$;

comment on function feed.tick_position(timestamptz, bigint) is
  'Order of a tick among those of the same second: by observed_at (UTC, from 1970 on), then by seq (0 to 2^43 - 1).';
