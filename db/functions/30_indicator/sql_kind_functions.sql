create or replace function indicator.sql_kind_functions(kinds text[])
returns table (kind text, function text, fingerprint text, output_count int, closed_only boolean, with_spread boolean)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select k.kind, s.function, s.fingerprint, jsonb_array_length(k.outputs), k.closed_only, 'spread' = any (k.columns)
  from indicator.sql_kinds as s
  join indicator.kinds as k using (kind)
  where k.kind = any (kinds)
$$;

comment on function indicator.sql_kind_functions(text[]) is
  'Of these kinds those that are SQL functions: the function and its fingerprint, how many outputs it declares, whether it has no value of a candle that forms, and whether it reads the spread.';
grant execute on function indicator.sql_kind_functions(text[]) to foresight_indicators;
