-- Rounded first: a mean of means is an exact limit only but for the last bits of its doubles.
create or replace function rating.band(value double precision)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when v.value is null then null
    when v.value > 0.5 then 'strong buy'
    when v.value > 0.1 then 'buy'
    when v.value >= -0.1 then 'neutral'
    when v.value >= -0.5 then 'sell'
    else 'strong sell'
  end
  from round(band.value::numeric, 12) as v(value)
$$;

comment on function rating.band(double precision) is
  'A rating from -1 to +1 in words: strong buy, buy, neutral, sell, strong sell. Beyond 0.5 strong, beyond 0.1 plain; an exact limit belongs to the calmer band. Null of null.';
