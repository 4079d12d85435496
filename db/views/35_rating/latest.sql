create or replace view rating.latest as
select i.symbol, n.timeframe, n.side, n.bucket, n.rating, rating.band(n.rating) as band,
  n.moving_averages, rating.band(n.moving_averages) as moving_averages_band,
  n.oscillators, rating.band(n.oscillators) as oscillators_band,
  n.buy, n.neutral, n.sell, n.counted, n.votes,
  n.bucket + t.width + s.grace <= now() as is_closed
from rating.newest() as n
join feed.instruments as i using (instrument_id)
join feed.sources as s using (source)
join feed.timeframes as t on t.timeframe = n.timeframe;

comment on view rating.latest is 'The newest rating of each symbol, timeframe and side on which the set rating was added, from -1 to +1 and in words, of both groups and the whole; how many votes say what, and how many of all are counted: the others cannot be computed yet. Buckets are in UTC.';
