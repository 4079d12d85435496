-- Of many indicators some look good by luck. Benjamini and Hochberg's correction is over all that can be told of a
-- timeframe, horizon and basis: among those that are called evidence, no more than one in twenty is expected to be luck.
create or replace function track.judged(timeframe text)
returns table (
  indicator_id int, as_said boolean, horizon int, candles int, verdicts int, hits int, parts int,
  hit_rate double precision, base_rate double precision, edge_low double precision, edge_high double precision,
  p_value double precision, adjusted_p_value double precision, compared int
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select r.indicator_id, r.as_said, r.horizon, r.candles, r.verdicts, r.hits, r.parts,
    r.hits::double precision / nullif(r.verdicts, 0),
    (r.bullish::double precision * r.ups + r.bearish::double precision * r.downs) / nullif(r.candles::double precision * r.verdicts, 0),
    r.edge_low, r.edge_high, r.p_value,
    case when r.p_value is not null then
      least(1, min(r.p_value * r.compared / r.place) over (
        partition by r.as_said, r.horizon order by r.place desc rows unbounded preceding)) end,
    r.compared
  from (
    select s.*, s.bullish + s.bearish as verdicts,
      count(s.p_value) over (partition by s.as_said, s.horizon)::int as compared,
      -- Those without a p-value come last.
      row_number() over (partition by s.as_said, s.horizon order by s.p_value, s.indicator_id) as place
    from track.scores as s
    join indicator.definitions as d using (indicator_id)
    where d.timeframe = judged.timeframe
  ) as r
$$;

comment on function track.judged(text) is
  'What track.record tells of all indicators of a timeframe, without words: a row per indicator, basis and horizon of which there is something.';
