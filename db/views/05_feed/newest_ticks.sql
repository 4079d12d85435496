-- In a folder before the other views of its schema, which read it: files are run in the order of their paths.
create or replace view feed.newest_ticks as
select distinct on (e.instrument_id) e.instrument_id,
  min(e.first_observed_at) over (partition by e.instrument_id) as first_observed_at,
  e.observed_at, e.seq, e.bid, e.ask, e.last, e.size, e.received_at
from feed.tick_ends as e
order by e.instrument_id, e.observed_at desc, e.seq desc;
comment on view feed.newest_ticks is 'Per instrument its newest tick and when its first one was observed (UTC), also when both were dropped since: what is asked of all history at every moment, and must not cost more with every day of it.';
