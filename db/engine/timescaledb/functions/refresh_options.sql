-- A batch is about a day of buckets, at least ten: the default of ten is ruinous for seconds. Each is a
-- transaction of its own. The oldest comes first, which is not the default: the newest would raise the
-- watermark over all that is not stored yet, so that its candles were missing until their turn came, and for
-- good when a kill came before.
create or replace function feed.refresh_options(width interval)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'buckets_per_batch', greatest(10, 86400 / extract(epoch from width)::int),
    'refresh_newest_first', false)
$$;

comment on function feed.refresh_options(interval) is
  'How TimescaleDB refreshes candles of this width: in batches of a day, the oldest first.';
