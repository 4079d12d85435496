-- Ticks as a hypertable. The candles' continuous aggregates are made by feed.create_missing_candles(); when chunks
-- are compressed and dropped is said by feed.storage.
select public.create_hypertable(
  'feed.ticks', public.by_range('observed_at', interval '1 day'), create_default_indexes => false
);
alter table feed.ticks set (
  timescaledb.enable_columnstore,
  timescaledb.segmentby = 'instrument_id',
  timescaledb.orderby = 'observed_at, seq'
);
-- A refresh reads a range of time whosever the ticks are, and the key begins with the instrument.
create index ticks_by_time on feed.ticks (observed_at);
