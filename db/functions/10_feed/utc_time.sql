-- PostgreSQL reads far more: words, times without a zone (in that of the session), and it rounds what is finer than a
-- microsecond, which can be the next bucket. Its own refusals would end the whole batch, so nothing that it does not
-- take is handed to it.
create or replace function feed.utc_time(told text)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  parts text[] := regexp_match(told,
    '^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{1,6})\d{0,3})?([Zz]|[+-](?:0\d|1[0-5])(?::?[0-5]\d)?)$');
begin
  if parts is null or parts[1] = '0000'
    or parts[3]::int > extract(day from make_date(parts[1]::int, parts[2]::int, 1) + interval '1 month - 1 day')
  then
    return null;
  end if;
  return format('%s-%s-%s %s.%s%s', parts[1], parts[2], parts[3], parts[4], coalesce(parts[5], '0'), parts[6])::timestamptz;
end
$$;

comment on function feed.utc_time(text) is
  'A time with a zone, as ISO 8601 and psql write it: 2026-01-31T23:59:59.123456Z or 2026-01-31 23:59:59+00. What is finer than a microsecond is cut. Null when it is none: no zone, a word, a leap second, a date that no calendar has.';
