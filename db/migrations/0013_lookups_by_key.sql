-- A session's plan for an empty table of work looked rows up by the index that shares one column with the
-- key, and read all rows of a subscription, or of a bucket, for each. So that index serves the order of
-- claims only: the first cannot be used for a key, the second is a key itself.
drop index outbox.deliveries_by_age;
create index deliveries_by_age on outbox.deliveries ((subscription_id + 0), queued_at);
drop index indicator.pending_by_bucket;
create index pending_by_bucket on indicator.pending (bucket, instrument_id, timeframe, side);
