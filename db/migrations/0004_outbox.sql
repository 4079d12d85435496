-- From "something changed" to "everybody was told". The tables hold what is left to do; jobs only nudge.

create sequence outbox.change_revision;
comment on sequence outbox.change_revision is 'Revisions of change marks. One for all, so that a mark that was removed and made again is never taken for the old one.';

create sequence outbox.change_generation;
comment on sequence outbox.change_generation is 'The generation that new change marks belong to; each capture begins the next one.';

-- A mark that every batch of a busy minute updated would never be free to be removed, and would make every writer of
-- the minute wait for the slowest. So a capture ends a generation: what is written from then on goes into rows of its own.
create table outbox.changes (
  instrument_id int not null,
  minute timestamptz not null,
  changed_from timestamptz not null,
  changed_to timestamptz not null,
  revision bigint not null default nextval('outbox.change_revision'),
  refreshed_revision bigint not null default 0,
  generation bigint not null default 0,
  marked_at timestamptz not null default clock_timestamp(),
  primary key (instrument_id, minute, generation)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
comment on table outbox.changes is 'Where ticks came in and candles were not captured since: a row per instrument, minute and generation, however many ticks.';
comment on column outbox.changes.changed_to is 'Newest tick of the change, inclusive.';
comment on column outbox.changes.revision is 'Drawn anew by every statement that adds ticks; a capture removes the row only if it is still the one it read.';
comment on column outbox.changes.refreshed_revision is 'The revision up to which late ticks were refreshed into the candles (TimescaleDB only).';
comment on column outbox.changes.generation is 'Value of outbox.change_generation when the ticks were written.';
comment on column outbox.changes.marked_at is 'When the first of its ticks was stored (UTC): since then it waits to be captured.';

create sequence outbox.revision;
comment on sequence outbox.revision is 'Revisions of candles. One for all, so that a revision can only grow, also after old rows are gone.';

create table outbox.subscriptions (
  subscription_id int generated always as identity primary key,
  name text not null unique
    constraint name_is_a_short_code check (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$'),
  queue text not null
    constraint queue_is_an_sqs_queue_name check (queue ~ '^[A-Za-z0-9_-]{1,80}$'),
  closed_only boolean not null default false,
  forming_every interval not null default '0'
    constraint forming_every_is_from_zero_to_one_hour check (forming_every between interval '0' and interval '1 hour'),
  is_paused boolean not null default false,
  created_at timestamptz not null default now(),
  retry_at timestamptz not null default '-infinity',
  failure_count int not null default 0,
  last_error text,
  last_sent_at timestamptz,
  sent_count bigint not null default 0,
  republished_at timestamptz not null default '-infinity'
);
comment on table outbox.subscriptions is 'Who is told about changed candles, and on which SQS queue.';
comment on column outbox.subscriptions.closed_only is 'Only candles whose bucket is over; else forming ones too.';
comment on column outbox.subscriptions.forming_every is 'At most one state of a candle per this time while it forms; 0: each that is captured. Closed candles never wait for it.';
comment on column outbox.subscriptions.retry_at is 'After a failed send: not tried again before this time.';
comment on column outbox.subscriptions.republished_at is 'When everything was queued again last (UTC): as long as something waits from before, its queue does not hold all, and what was claimed before counts as not sent.';

create table outbox.filters (
  subscription_id int not null references outbox.subscriptions on delete cascade,
  instrument_id int references feed.instruments,
  timeframe text references feed.timeframes,
  side text not null constraint side_is_known check (side in ('bid', 'ask', 'mid', 'last')),
  with_spread boolean not null default false constraint only_mid_has_a_spread check (side = 'mid' or not with_spread),
  since_revision bigint not null default nextval('outbox.revision')
);
create unique index filters_key on outbox.filters
  (subscription_id, coalesce(instrument_id, 0), coalesce(timeframe, ''), side);
comment on table outbox.filters is 'What a subscription wants; an absent instrument or timeframe means all of them.';
comment on column outbox.filters.since_revision is 'Drawn when it was added: what captures said before may have left out candles of its series.';
create index filters_of_instrument on outbox.filters (instrument_id);
create index filters_with_spread on outbox.filters (instrument_id, timeframe) where with_spread;
comment on column outbox.filters.with_spread is 'Also told when the spread of a candle of mid changes: only then is it read, as that costs each read of the series.';

create table outbox.candles (
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  bucket timestamptz not null,
  open double precision not null,
  high double precision not null,
  low double precision not null,
  close double precision not null,
  sum double precision not null,
  volume double precision,
  tick_count bigint not null,
  spread double precision,
  closes_at timestamptz not null,
  is_closed boolean not null,
  revision bigint not null,
  captured_at timestamptz not null,
  is_of_backfill boolean not null default false,
  primary key (instrument_id, timeframe, side, bucket)
) with (fillfactor = 50);
create index candles_to_close on outbox.candles (closes_at) where not is_closed;
comment on table outbox.candles is 'The newest captured state of every subscribed candle: the delta that is, or was, sent.';
comment on column outbox.candles.spread is 'The last ask less the last bid of a candle of mid, if a filter asked for it when it was captured; it tells whether it changed and is no part of messages.';
comment on column outbox.candles.closes_at is 'End of the bucket plus the source''s grace.';
comment on column outbox.candles.is_of_backfill is 'Added by a backfill, and so told to those only that asked for history.';

create table outbox.captured (
  is_only_row boolean primary key default true check (is_only_row),
  revision bigint not null default 0,
  captured_at timestamptz not null default '-infinity'
) with (fillfactor = 20);
insert into outbox.captured default values;
comment on table outbox.captured is 'How far captures have come, in one row that changes with outbox.candles in one transaction: who reads both in one statement knows which of them it has seen.';
comment on column outbox.captured.revision is 'The highest of a candle whose content was captured.';
comment on column outbox.captured.captured_at is 'When that was (UTC); it never goes back, whatever the clock does.';

create table outbox.late_changes (
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  revision bigint not null,
  primary key (instrument_id, timeframe, side)
) with (fillfactor = 50);
comment on table outbox.late_changes is 'Series of which a candle changed that was long over, see outbox.long_over, with the newest revision of such a change: who keeps candles of it reads them again.';

create table outbox.deliveries (
  subscription_id int not null references outbox.subscriptions on delete cascade,
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  bucket timestamptz not null,
  revision bigint not null,
  queued_at timestamptz not null default clock_timestamp(),
  claimed_until timestamptz not null default '-infinity',
  due_at timestamptz not null default '-infinity',
  changed_at timestamptz not null default clock_timestamp(),
  primary key (subscription_id, instrument_id, timeframe, side, bucket)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
-- By an expression, so that no plan takes it for a lookup by key: it serves the order of claims only.
create index deliveries_by_age on outbox.deliveries ((subscription_id + 0), queued_at);
comment on table outbox.deliveries is 'Candles a subscription still has to be sent; further changes of a waiting candle raise its revision, not the number of rows.';
comment on column outbox.deliveries.due_at is 'Not sent before: the pace of a forming candle.';
comment on column outbox.deliveries.changed_at is 'Since when the subscriber waits for it (UTC): since the first tick was stored of its instrument''s changes that were captured together, since the candle and its grace were over, or since history was queued.';

create table outbox.backfills (
  subscription_id int not null references outbox.subscriptions on delete cascade,
  instrument_id int not null references feed.instruments,
  timeframe text not null references feed.timeframes on delete cascade,
  side text not null,
  next_bucket timestamptz not null,
  requested_at timestamptz not null default clock_timestamp(),
  since_revision bigint,
  primary key (subscription_id, instrument_id, timeframe, side)
);
comment on table outbox.backfills is 'History that a subscription asked for and that was not queued yet; a row goes when it has reached the present.';
comment on column outbox.backfills.next_bucket is 'The first bucket (UTC) that was not queued yet.';
comment on column outbox.backfills.since_revision is 'The subscription was told all states with higher revisions when they were captured; null: not known yet.';

create table outbox.dead_letters (
  dead_letter_id bigint generated always as identity primary key,
  subscription text not null,
  queue text not null,
  reason text not null,
  candle jsonb not null,
  failed_at timestamptz not null default clock_timestamp()
);
comment on table outbox.dead_letters is 'Deltas that a queue refused for good, with its reason.';

create type outbox.delta as (
  instrument_id int, timeframe text, side text, bucket timestamptz, is_closed boolean, revision bigint, changed_at timestamptz
);
comment on type outbox.delta is 'Names a delta: the candle that changed, and the revision of its new state, whose content outbox.candles has.';
