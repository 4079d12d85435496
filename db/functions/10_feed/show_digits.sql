create or replace function feed.show_digits(symbol text, digits int)
returns int
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  update feed.instruments as i set price_precision = greatest(i.price_precision, least(show_digits.digits, 12))
  where i.symbol = show_digits.symbol
  returning i.price_precision
$$;

comment on function feed.show_digits(text, int) is
  'Show prices of an instrument with at least so many digits after the decimal point, 12 at most; returns how many are shown, nothing when there is no such instrument.';
grant execute on function feed.show_digits(text, int) to foresight_ingest;
