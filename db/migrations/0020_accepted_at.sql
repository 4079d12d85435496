-- Nothing told of an older candle that changed and was never computed: only newest candles were looked at.
alter table indicator.pending add column accepted_at timestamptz not null default now();
alter table indicator.pending alter column accepted_at set default clock_timestamp();
comment on column indicator.pending.accepted_at is 'Since when (UTC) its change waits to be computed: since it was taken from the queue, or since it changed again while it was being computed.';
