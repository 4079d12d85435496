-- In PL/pgSQL, which evaluates a mere expression at once: an SQL function would be inlined only if it were no more
-- than stable, as jsonb_build_object is, and else be set up for each instrument.
create or replace function dashboard.summary(bullish bigint, neutral bigint, bearish bigint, left_out bigint)
returns jsonb
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return jsonb_build_object(
    'mean', (bullish - bearish)::double precision / nullif(bullish + neutral + bearish, 0),
    'verdict', case
      when bullish + neutral + bearish = 0 then null
      when 10 * (bullish - bearish) >= bullish + neutral + bearish then 1
      when 10 * (bearish - bullish) >= bullish + neutral + bearish then -1
      else 0
    end,
    'is_strong', case when bullish + neutral + bearish > 0
      then 2 * abs(bullish - bearish) >= bullish + neutral + bearish end,
    'bullish', bullish, 'neutral', neutral, 'bearish', bearish, 'left_out', left_out);
end
$$;

comment on function dashboard.summary(bigint, bigint, bigint, bigint) is
  'One verdict of many as JSON: the mean of their votes from -1 to +1, which is bullish from 0.1 on, bearish from -0.1 on, strong from 0.5 on, and how many voted what or were left out; mean, verdict and is_strong are null when nobody votes.';
