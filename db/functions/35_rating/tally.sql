-- The one place of the formula. Weights are exact numbers, so that no order of the votes changes a bit of it.
create or replace function rating.tally(
  vote_groups text[], weights numeric[], verdicts smallint[],
  out rating double precision, out moving_averages double precision, out oscillators double precision,
  out buy int, out neutral int, out sell int, out counted int
)
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  select
    (sum(v.weight * v.verdict) filter (where v.vote_group = 'moving averages')
      / sum(v.weight) filter (where v.vote_group = 'moving averages'))::double precision,
    (sum(v.weight * v.verdict) filter (where v.vote_group = 'oscillators')
      / sum(v.weight) filter (where v.vote_group = 'oscillators'))::double precision,
    count(*) filter (where v.verdict > 0), count(*) filter (where v.verdict = 0), count(*) filter (where v.verdict < 0),
    count(*)
  into moving_averages, oscillators, buy, neutral, sell, counted
  from unnest(vote_groups, weights, verdicts) as v(vote_group, weight, verdict)
  where v.verdict is not null and v.weight > 0;
  rating := coalesce((moving_averages + oscillators) / 2, moving_averages, oscillators);
end
$$;

comment on function rating.tally(text[], numeric[], smallint[]) is
  'The rating that votes give (array i is vote i; verdict +1, 0, -1, null: it cannot be computed and is left out): each group the mean of its verdicts by their weights, the rating the mean of both groups, or the one group that has votes, all from -1 to +1; and how many say what. Null when none votes.';
