-- A subscriber whose queue was lost was far behind while all that it had lost was on its way, and nothing
-- said so: what is queued again waits only from then on.
alter table outbox.subscriptions add column republished_at timestamptz not null default '-infinity';
comment on column outbox.subscriptions.republished_at is 'When everything was queued again last (UTC): as long as something waits from before, its queue does not hold all.';
