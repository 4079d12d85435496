-- Of many instruments at once, and in PL/pgSQL, which keeps its plan: to plan what reads a hypertable takes longer
-- than to read it. The votes of one rating are of one bucket: the newest that any of them has.
create or replace function rating.newest(instrument_ids int[] default null)
returns table (
  instrument_id int, timeframe text, side text, bucket timestamptz,
  rating double precision, moving_averages double precision, oscillators double precision,
  buy int, neutral int, sell int, counted int, votes int
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  select r.instrument_id, r.timeframe, r.side, r.bucket,
    t.rating, t.moving_averages, t.oscillators, t.buy, t.neutral, t.sell, t.counted,
    (select count(*)::int from rating.votes as v where v.weight > 0)
  from (
    select n.instrument_id, n.timeframe, n.side, n.newest_bucket as bucket,
      array_agg(n.vote_group) as vote_groups, array_agg(n.weight) as weights,
      array_agg(case when n.bucket = n.newest_bucket then n.verdict end) as verdicts
    from (
      select s.instrument_id, s.timeframe, s.side, v.vote_group, v.weight, l.bucket, l.verdict,
        max(l.bucket) over (partition by s.instrument_id, s.timeframe, s.side) as newest_bucket
      from rating.series as s
      cross join rating.votes as v
      left join indicator.definitions as d
        on d.instrument_id = s.instrument_id and d.timeframe = s.timeframe and d.side = s.side
        and d.kind = v.kind and d.params = v.params
      left join indicator.newest_values(array(
        select d.indicator_id
        from rating.series as s
        join indicator.definitions as d using (instrument_id, timeframe, side)
        join rating.votes as v using (kind, params)
        where instrument_ids is null or s.instrument_id = any (instrument_ids)
      )) as l on l.indicator_id = d.indicator_id
      where instrument_ids is null or s.instrument_id = any (instrument_ids)
    ) as n
    group by 1, 2, 3, 4
  ) as r
  cross join lateral rating.tally(r.vote_groups, r.weights, r.verdicts) as t;
end
$$;

comment on function rating.newest(int[]) is
  'The rating of the newest bucket (UTC) of each instrument (null: all), timeframe and side on which the set rating was added, as rating.tally gives it, and of how many votes it could be. bucket and rating are null while there are no values.';
