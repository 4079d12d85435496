-- A cast to numeric takes 15 digits, which is what every double holds exactly: (1.17402 + 1.17403) / 2 is 1.1740249999999999
-- in binary, and 1.174025. Candles and indicators are computed from what is stored; this is for what leaves. Left
-- unpinned and schema-qualified so that it is inlined.
create or replace function feed.without_noise(price double precision, side text default 'mid')
returns double precision
language sql
immutable
parallel safe
as $$
  select case when side = 'mid' then price::pg_catalog.numeric::pg_catalog.float8 else price end
$$;

comment on function feed.without_noise(double precision, text) is
  'A number that was computed, to 15 significant digits, as it is published and shown: a price of side mid, or a sum or an average. A price of another side was sent and stays as it is.';
