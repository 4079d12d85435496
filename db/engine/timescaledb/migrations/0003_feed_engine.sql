-- Ticks as a hypertable. The candles' continuous aggregates are made by feed.create_missing_candles().
select public.create_hypertable(
  'feed.ticks', public.by_range('observed_at', interval '1 day'), create_default_indexes => false
);
alter table feed.ticks set (
  timescaledb.enable_columnstore,
  timescaledb.segmentby = 'instrument_id',
  timescaledb.orderby = 'observed_at, seq'
);
call public.add_columnstore_policy('feed.ticks', after => interval '7 days');
