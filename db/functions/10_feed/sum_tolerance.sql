-- Prices of both signs cancel each other, so that their sum may be nothing but rounding. Left unpinned and
-- schema-qualified so that it is inlined.
create or replace function feed.sum_tolerance(
  sum double precision, high double precision, low double precision, tick_count bigint
)
returns double precision
language sql
immutable
parallel safe
as $$
  select 1e-9 * case when low > 0 then sum
    else tick_count * greatest(pg_catalog.abs(high), pg_catalog.abs(low)) end
$$;

comment on function feed.sum_tolerance(double precision, double precision, double precision, bigint) is
  'By how much the sum of a candle''s prices may differ without being another one, as the order of addition decides its last digits: 1e-9 of it, or of the largest price times the ticks where some are not above zero.';
