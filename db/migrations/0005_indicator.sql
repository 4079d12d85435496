-- Indicators: what exists, what is wanted, what is left to compute, and the values.

create table indicator.kinds (
  kind text primary key constraint kind_is_a_short_code check (kind ~ '^[a-z][a-z0-9_]{0,39}$'),
  description text not null,
  rule text not null,
  label text not null,
  parameters jsonb not null,
  bars jsonb not null,
  registered_at timestamptz not null default now()
);
comment on table indicator.kinds is 'Indicators that a service can compute. Services register theirs when they start.';
comment on column indicator.kinds.rule is 'In words: when the verdict is bullish, bearish, neutral.';
comment on column indicator.kinds.parameters is 'Per parameter its type, bounds and default; see indicator.register_kind.';
comment on column indicator.kinds.bars is 'Length of the window in candles: the sum of each parameter times its number here, and of "plus".';

create table indicator.defaults (
  kind text not null references indicator.kinds,
  timeframe text not null references feed.timeframes,
  side text not null default 'mid' check (side in ('bid', 'ask', 'mid', 'last')),
  params jsonb not null,
  primary key (kind, timeframe, side, params)
);
comment on table indicator.defaults is 'Indicators that every new instrument gets. Edit it to change the set.';

create table indicator.definitions (
  indicator_id int generated always as identity primary key,
  instrument_id int not null references feed.instruments,
  timeframe text not null references feed.timeframes,
  side text not null check (side in ('bid', 'ask', 'mid', 'last')),
  kind text not null references indicator.kinds,
  params jsonb not null,
  label text not null,
  bars_required int not null check (bars_required between 1 and 5000),
  created_at timestamptz not null default now(),
  unique (instrument_id, timeframe, side, kind, params)
);
comment on table indicator.definitions is 'An indicator on one series of candles. Other parameters are another indicator.';
comment on column indicator.definitions.bars_required is 'Candles a value is computed from: the window ends with the value''s bucket.';

create table indicator.values (
  indicator_id int not null references indicator.definitions on delete cascade,
  bucket timestamptz not null,
  value double precision,
  lines jsonb,
  verdict smallint constraint verdict_is_bullish_neutral_or_bearish check (verdict in (-1, 0, 1)),
  bars int not null,
  revision bigint not null,
  computed_at timestamptz not null default clock_timestamp(),
  primary key (indicator_id, bucket),
  constraint value_is_finite check (value > '-infinity' and value < 'infinity')
) with (fillfactor = 70);
comment on table indicator.values is 'One value a candle: a pure function of the window of candles that ends with it.';
comment on column indicator.values.verdict is '+1 bullish, 0 neutral, -1 bearish; absent while warming up.';
comment on column indicator.values.bars is 'Candles of the window that existed; fewer than required means warming up.';
comment on column indicator.values.revision is 'The candle revision that asked for this value; a lower one never overwrites it.';

create table indicator.pending (
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  bucket timestamptz not null,
  revision bigint not null,
  leased_until timestamptz not null default '-infinity',
  accepted_at timestamptz not null default clock_timestamp(),
  primary key (instrument_id, timeframe, side, bucket)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
-- The newest changed candles are computed first. A key by itself, so that no plan reads all rows of a bucket for one.
create index pending_by_bucket on indicator.pending (bucket, instrument_id, timeframe, side);
comment on table indicator.pending is 'Changed candles whose indicators were not computed since.';
comment on column indicator.pending.accepted_at is 'Since when (UTC) its change waits to be computed: since it was taken from the queue, or since it changed again while it was being computed.';

create table indicator.backfills (
  indicator_id int primary key references indicator.definitions on delete cascade,
  next_bucket timestamptz not null,
  revision bigint not null,
  requested_at timestamptz not null default now(),
  progressed_at timestamptz not null default now()
);
comment on table indicator.backfills is 'Indicators whose history is being computed, and from which bucket it goes on.';
comment on column indicator.backfills.revision is '0 fills only what no candle revision asked for; a drawn revision overwrites older values.';
comment on column indicator.backfills.progressed_at is 'When its last stretch was stored, or it became the first in line.';
