create or replace function dashboard.ratings_of(instrument_ids int[], at timestamptz default now())
returns table (instrument_id int, ratings jsonb)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select n.instrument_id,
    jsonb_agg(jsonb_build_object(
      'timeframe', n.timeframe, 'width_seconds', extract(epoch from t.width)::int, 'side', n.side, 'bucket', n.bucket,
      'rating', n.rating, 'band', rating.band(n.rating),
      'moving_averages', n.moving_averages, 'moving_averages_band', rating.band(n.moving_averages),
      'oscillators', n.oscillators, 'oscillators_band', rating.band(n.oscillators),
      'buy', n.buy, 'neutral', n.neutral, 'sell', n.sell, 'counted', n.counted, 'votes', n.votes,
      'state', dashboard.freshness(n.bucket, t.width, at)
    ) order by t.width, n.side)
  from rating.newest(instrument_ids) as n
  join feed.timeframes as t using (timeframe)
  group by n.instrument_id
$$;

comment on function dashboard.ratings_of(int[], timestamptz) is
  'Per instrument that has ratings: the newest of each timeframe and side as a JSON array, the finest timeframe first, with both groups, all in numbers and words, and how many votes say what. state says how old it is at a time (UTC).';
