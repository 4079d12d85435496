create or replace function track.record(of_symbol text default null, of_timeframe text default null)
returns table (
  symbol text, timeframe text, label text, side text, indicator_id int, as_said boolean, horizon int,
  candles int, verdicts int, neutral int, hit_rate double precision, base_rate double precision,
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
  wanted_id int := case when of_symbol is not null then feed.instrument_id(of_symbol) end;
begin
  if of_timeframe is not null then
    perform feed.timeframe_width(of_timeframe);
  end if;
  return query
  select i.symbol, d.timeframe, d.label, d.side, d.indicator_id, j.as_said, j.horizon, j.candles, j.verdicts, j.candles - j.verdicts,
    j.hit_rate, j.base_rate, j.edge_low, j.edge_high, j.p_value, j.adjusted_p_value, j.compared,
    track.words(j.verdicts, j.candles, j.horizon, j.parts, j.hit_rate, j.base_rate, j.p_value, j.adjusted_p_value)
  from feed.timeframes as t
  cross join lateral track.judged(t.timeframe) as j
  join indicator.definitions as d on d.indicator_id = j.indicator_id
  join feed.instruments as i using (instrument_id)
  where (of_timeframe is null or t.timeframe = of_timeframe) and (wanted_id is null or d.instrument_id = wanted_id)
  order by i.symbol, t.width, d.label, d.side, d.indicator_id, j.as_said desc, j.horizon;
end
$$;

comment on function track.record(text, text) is
  'Whether verdicts were any good, of all indicators or (null: any) of one symbol and timeframe: a row per indicator, basis and horizon (candles of its timeframe later). as_said: what was said when each candle closed, before its outcome was known, against the close seen then; else the values as they are now, history too. Of all candles with a verdict that have one so much later: directional verdicts and neutral ones, how often those were right (hit_rate), and how often the price went their way in the same period whatever was said (base_rate, both from 0 to 1); edge_low to edge_high hold the difference at 95 %, absent while there is too little to tell. p_value: how probable such a difference is by chance; adjusted_p_value: after Benjamini and Hochberg''s correction for all that are compared at that timeframe and horizon; words tell it. Errors: NOINS, NOTFR.';
