-- Each step's wait was told only since the step before: what was not captured for ten seconds and then not sent for
-- ten more was old to its subscriber, and nothing said so.
alter type outbox.delta add attribute changed_at timestamptz;
alter table outbox.deliveries add column changed_at timestamptz;
update outbox.deliveries set changed_at = queued_at;
alter table outbox.deliveries alter column changed_at set default clock_timestamp(), alter column changed_at set not null;
comment on column outbox.deliveries.changed_at is 'Since when the subscriber waits for it (UTC): since the first tick was stored of its instrument''s changes that were captured together, since the candle and its grace were over, or since history was queued.';
