create or replace function rating.summary(symbol text)
returns table (
  timeframe text, side text, bucket timestamptz, rating double precision, band text, counted int, votes int
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  with rated as materialized (
    select n.timeframe, n.side, n.bucket, n.rating, n.counted, n.votes, t.width
    from rating.newest(array[feed.instrument_id(summary.symbol)]) as n
    join feed.timeframes as t using (timeframe)
  )
  (
    select r.timeframe, r.side, r.bucket, r.rating, rating.band(r.rating), r.counted, r.votes
    from rated as r
    order by r.width, r.side
  )
  union all
  select null, null, m.bucket, m.rating, rating.band(m.rating), m.counted, m.votes
  from (
    -- In one order, so that it is the same to the last bit.
    select max(r.bucket) as bucket, avg(r.rating order by r.width, r.side) as rating,
      sum(r.counted)::int as counted, sum(r.votes)::int as votes
    from rated as r
    having count(*) > 0
  ) as m;
end
$$;

comment on function rating.summary(text) is
  'The newest ratings of a symbol, the finest timeframe first, and in the last row, without a timeframe, their mean. Error NOINS.';
