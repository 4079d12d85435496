-- The newest changed candles are computed first: without this, each claim sorted all that wait.
create index pending_by_bucket on indicator.pending (bucket);
