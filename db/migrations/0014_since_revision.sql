-- A catch-up sent candles again that the subscription had been told already, by a capture or a closing
-- between its begin and the moment in which its history came to them.
alter table outbox.catch_ups add column since_revision bigint;
comment on column outbox.catch_ups.since_revision is 'The subscription was told all states with higher revisions when they were captured; null: not known yet.';
alter table outbox.candles add column is_of_catch_up boolean not null default false;
comment on column outbox.candles.is_of_catch_up is 'Added by a catch-up, and so told to those only that catch up.';
