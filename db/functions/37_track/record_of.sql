create or replace function track.record_of(indicator_id int)
returns table (
  as_said boolean, horizon int, candles int, verdicts int, neutral int, hit_rate double precision, base_rate double precision,
  edge_low double precision, edge_high double precision, p_value double precision, adjusted_p_value double precision,
  compared int, words text
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  wanted_timeframe text := (select d.timeframe from indicator.definitions as d where d.indicator_id = record_of.indicator_id);
begin
  if wanted_timeframe is null then
    raise exception 'there is no indicator %', record_of.indicator_id using errcode = 'NOIND';
  end if;
  return query
  select b.as_said, h.horizon::int, coalesce(j.candles, 0), coalesce(j.verdicts, 0), coalesce(j.candles - j.verdicts, 0), j.hit_rate, j.base_rate,
    j.edge_low, j.edge_high, j.p_value, j.adjusted_p_value, coalesce(j.compared, 0),
    track.words(coalesce(j.verdicts, 0), coalesce(j.candles, 0), h.horizon, coalesce(j.parts, 0), j.hit_rate, j.base_rate,
      j.p_value, j.adjusted_p_value)
  from unnest(array[true, false]) as b(as_said)
  cross join unnest(track.horizons()) as h(horizon)
  left join track.judged(wanted_timeframe) as j
    on j.indicator_id = record_of.indicator_id and j.as_said = b.as_said and j.horizon = h.horizon
  order by b.as_said desc, h.horizon;
end
$$;

comment on function track.record_of(int) is
  'The track record of one indicator, as track.record tells it: each basis and horizon, those too of which there is nothing yet. Error NOIND.';
