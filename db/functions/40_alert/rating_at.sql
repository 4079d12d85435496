-- The votes of one rating are of one bucket, as where the newest one is made. Who has a value of the bucket before
-- and none of this one will have it in a moment: only when one is missing it is asked which bucket that is.
create or replace function alert.rating_at(
  instrument_id int, timeframe text, side text, bucket timestamptz,
  out rating double precision, out moving_averages double precision, out oscillators double precision,
  out counted int, out votes int, out missing int, out lowest_revision bigint, out highest_revision bigint
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  voter record;
  vote_groups text[] := '{}';
  weights numeric[] := '{}';
  verdicts smallint[] := '{}';
  newest_before timestamptz;
  before_ats timestamptz[] := '{}';
begin
  votes := 0;
  missing := 0;
  for voter in
    with voters as materialized (
      select v.place, v.vote_group, v.weight, d.indicator_id
      from rating.votes as v
      left join indicator.definitions as d
        on d.instrument_id = rating_at.instrument_id and d.timeframe = rating_at.timeframe and d.side = rating_at.side
        and d.kind = v.kind and d.params = v.params
      where v.weight > 0
    )
    select v.vote_group, v.weight, v.indicator_id, n.bucket, n.verdict, n.revision
    from voters as v
    left join indicator.values_at(
      array(select v.indicator_id from voters as v order by v.place), array(select rating_at.bucket from voters)) as n using (indicator_id)
    order by v.place
  loop
    votes := votes + 1;
    continue when voter.indicator_id is null;
    if voter.bucket is null then
      before_ats := before_ats || alert.bucket_beside(
        rating_at.instrument_id, rating_at.timeframe, rating_at.side, voter.indicator_id, rating_at.bucket, -1);
      continue;
    end if;
    vote_groups := vote_groups || voter.vote_group;
    weights := weights || voter.weight;
    verdicts := verdicts || voter.verdict;
    lowest_revision := least(lowest_revision, voter.revision);
    highest_revision := greatest(highest_revision, voter.revision);
  end loop;
  if cardinality(verdicts) > 0 then
    if cardinality(array_remove(before_ats, null)) > 0 then
      newest_before := alert.bucket_beside(rating_at.instrument_id, rating_at.timeframe, rating_at.side, null, rating_at.bucket, -1);
      missing := (select count(*) from unnest(before_ats) as b(at) where b.at >= newest_before);
    end if;
    select t.rating, t.moving_averages, t.oscillators, t.counted
    into rating, moving_averages, oscillators, counted
    from rating.tally(vote_groups, weights, verdicts) as t;
  end if;
end
$$;

comment on function alert.rating_at(int, text, text, timestamptz) is
  'The rating of an instrument, timeframe and side at a bucket (UTC), of how many votes and of how many there could be; how many votes have a value of the bucket before and none of this one; and the lowest and highest revision of the values. rating is null when none votes.';
