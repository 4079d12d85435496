create or replace function rating.votes_of(
  symbol text, timeframe text, side text default null, bucket timestamptz default null
)
returns table (
  vote_group text, kind text, label text, params jsonb, weight numeric, verdict smallint, value double precision,
  state text, indicator_id int, bucket_of_value timestamptz
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  rated_side text := rating.side_of(votes_of.symbol, votes_of.timeframe, votes_of.side);
  rated_instrument_id int := feed.instrument_id(votes_of.symbol);
begin
  return query
  with votes as materialized (
    select v.place, v.vote_group, v.kind, coalesce(d.label, (indicator.derived(v.kind, v.params)).label, v.kind) as label,
      v.params, v.weight, d.indicator_id, d.bars_required, l.bucket, l.verdict, l.value, l.bars,
      coalesce(votes_of.bucket, max(l.bucket) over ()) as rated_bucket
    from rating.votes as v
    left join indicator.definitions as d
      on d.instrument_id = rated_instrument_id and d.timeframe = votes_of.timeframe and d.side = rated_side
      and d.kind = v.kind and d.params = v.params
    left join indicator.newest_values(array(
      select d.indicator_id
      from rating.votes as v
      join indicator.definitions as d using (kind, params)
      where d.instrument_id = rated_instrument_id and d.timeframe = votes_of.timeframe and d.side = rated_side
    ), coalesce(votes_of.bucket, 'infinity')) as l on l.indicator_id = d.indicator_id
  )
  select n.vote_group, n.kind, n.label, n.params, n.weight,
    case when n.bucket = n.rated_bucket then n.verdict end, case when n.bucket = n.rated_bucket then n.value end,
    case
      when n.indicator_id is null then 'not computed'
      when n.bucket is distinct from n.rated_bucket or n.bucket is null then coalesce(a.words, 'no value yet')
      when n.bars < n.bars_required then format('warming up %s of %s', n.bars, n.bars_required)
      when n.verdict is null then coalesce(a.words, 'no verdict')
      when n.weight = 0 then 'without weight'
      else 'counted'
    end,
    n.indicator_id, n.bucket
  from votes as n
  -- Of the past nobody can tell.
  left join indicator.absences(array(
    select n.indicator_id from votes as n where votes_of.bucket is null and n.verdict is null and n.indicator_id is not null
  )) as a on a.indicator_id = n.indicator_id
  order by n.place;
end
$$;

comment on function rating.votes_of(text, text, text, timestamptz) is
  'Each vote of a rating: its indicator (null: not computed here), its weight, its verdict and value at a bucket (UTC; null: the newest that any has), and whether it is counted, or why not. side null: the one there is. Errors: NOINS, NOTFR, NORAT the set rating was not added there.';
