-- Subscriptions get a pace for forming candles and can catch up with history. What waits is read by its
-- age, so that a long backlog starves nobody.
alter table outbox.subscriptions add column forming_every interval not null default '0'
  constraint forming_every_is_from_zero_to_one_hour check (forming_every between interval '0' and interval '1 hour');
comment on column outbox.subscriptions.forming_every is 'At most one state of a candle per this time while it forms; 0: each that is captured. Closed candles never wait for it.';

alter table outbox.deliveries add column due_at timestamptz not null default '-infinity';
comment on column outbox.deliveries.due_at is 'Not sent before: the pace of a forming candle.';
alter table outbox.deliveries add column is_repeated boolean not null default false;
comment on column outbox.deliveries.is_repeated is 'Queued again by outbox.republish while it was on its way, and not claimed since: what is on its way does not count.';
create index deliveries_by_age on outbox.deliveries (subscription_id, queued_at);

create table outbox.catch_ups (
  subscription_id int not null references outbox.subscriptions on delete cascade,
  instrument_id int not null references feed.instruments,
  timeframe text not null references feed.timeframes on delete cascade,
  side text not null,
  next_bucket timestamptz not null,
  requested_at timestamptz not null default clock_timestamp(),
  primary key (subscription_id, instrument_id, timeframe, side)
);
comment on table outbox.catch_ups is 'History that a subscription asked for and that was not queued yet; a row goes when it has reached the present.';
comment on column outbox.catch_ups.next_bucket is 'The first bucket (UTC) that was not queued yet.';

-- They come back with other parameters.
drop function if exists outbox.subscribe(text, text, text, text, text, boolean);
drop function if exists outbox.queue_deliveries(outbox.delta[]);
drop function if exists outbox.claim_deliveries(int);
drop procedure if exists outbox.refresh_late();
-- And these with more columns.
drop view if exists ops.status, ops.queues;
