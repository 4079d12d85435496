-- The one place that reads how far TimescaleDB has stored candles: its views do not tell. From the
-- catalogue and not by cagg_watermark(), which keeps its answer for the rest of the transaction.
create or replace function feed.watermarks()
returns table (timeframe text, stored_until timestamptz, storing_until timestamptz)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select t.timeframe,
    coalesce(_timescaledb_functions.to_timestamp(w.watermark), '-infinity'),
    _timescaledb_functions.to_timestamp(greatest(w.watermark, i.watermark))
  from feed.timeframes as t
  join _timescaledb_catalog.continuous_agg as a
    on format('%I.%I', a.user_view_schema, a.user_view_name) = feed.stored_relation(t.timeframe)
  left join _timescaledb_catalog.continuous_aggs_watermark as w on w.mat_hypertable_id = a.mat_hypertable_id
  left join _timescaledb_catalog.continuous_aggs_invalidation_threshold as i on i.hypertable_id = a.raw_hypertable_id;
end
$$;

comment on function feed.watermarks() is
  'Per timeframe: up to where (UTC) its candles are stored, -infinity when none is, and up to where they are stored or a refresh may be storing them at this moment. Called inside a statement, it sees the state of the statement''s moment.';
