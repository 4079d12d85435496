create or replace function track.words(
  verdicts int, candles int, horizon int, parts int, hit_rate double precision, base_rate double precision,
  p_value double precision, adjusted_p_value double precision
)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when verdicts < track.verdicts_needed()
      then format('too few verdicts yet, %s of %s', verdicts, track.verdicts_needed())
    when candles < track.candles_needed(horizon)
      then format('too few candles yet, %s of %s', candles, track.candles_needed(horizon))
    when p_value is null then format('too few verdicts yet, all %s in %s of 20 parts of the time', verdicts, parts)
    when adjusted_p_value > 0.05 then format('no evidence that it beats chance, %s verdicts', verdicts)
    else format('evidence that it %s chance: right %s %% of the time, where chance is %s %%, %s verdicts',
      case when hit_rate > base_rate then 'beats' else 'does worse than' end,
      round(100 * hit_rate::numeric, 1), round(100 * base_rate::numeric, 1), verdicts)
  end
$$;

comment on function track.words(int, int, int, int, double precision, double precision, double precision, double precision) is
  'What a track record says, for people: of so many directional verdicts among so many candles, at a horizon (in candles); parts are how many of twenty parts of the time have such verdicts. Evidence is what has an adjusted p-value of at most 0.05.';
