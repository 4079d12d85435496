create or replace function dashboard.rating(symbol text, timeframe text, side text default null, at timestamptz default now())
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  rated_side text;
begin
  begin
    rated_side := rating.side_of(rating.symbol, rating.timeframe, rating.side);
  exception when sqlstate 'NOINS' or sqlstate 'NOTFR' or sqlstate 'NORAT' then
    return null;
  end;
  return (
    select jsonb_build_object(
      'instrument_id', i.instrument_id, 'symbol', i.symbol, 'description', i.description, 'source', i.source,
      'is_simulated', s.is_simulated, 'price_precision', i.price_precision, 'side', rated_side,
      'timeframe', rating.timeframe, 'ratings', r.ratings,
      'votes', (
        select jsonb_agg(to_jsonb(v) || jsonb_build_object('unit', k.outputs -> 0 ->> 'unit', 'rule', k.rule, 'description', k.description) order by v.place)
        from rating.votes_of(rating.symbol, rating.timeframe, rated_side) with ordinality as v(
          vote_group, kind, label, params, weight, verdict, value, state, indicator_id, bucket_of_value, place)
        left join indicator.kinds as k using (kind)),
      'history', (
        select coalesce(jsonb_agg(to_jsonb(h) order by h.bucket desc), '[]')
        from (
          select * from rating.history(rating.symbol, rating.timeframe, rated_side) as h order by h.bucket desc limit 20
        ) as h))
    from feed.instruments as i
    join feed.sources as s using (source)
    cross join lateral dashboard.ratings_of(array[i.instrument_id], at) as r
    where i.symbol = rating.symbol
  );
end
$$;

comment on function dashboard.rating(text, text, text, timestamptz) is
  'The rating of a symbol, timeframe and side (null: the one there is) as JSON: all ratings of the instrument as dashboard.ratings_of gives them at a time (UTC), each vote of this one with its value and rule, and the ratings of the last closed candles, newest first; null when there is none.';
grant execute on function dashboard.rating(text, text, text, timestamptz) to foresight_web;
