create or replace function indicator.longest_sum(sums jsonb, params jsonb)
returns int
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select ceil(max(s.total))::int
  from (
    select (
      select sum(t.factor::numeric * case t.name when 'plus' then 1 else (params ->> t.name)::numeric end)
      from jsonb_each_text(s.terms) as t(name, factor)
    ) as total
    from jsonb_array_elements(sums) as s(terms)
  ) as s
$$;

comment on function indicator.longest_sum(jsonb, jsonb) is
  'The largest of some sums, rounded up: each is an object of parameters and what they are multiplied by, and of "plus", which is added. [{"slow": 1, "plus": 1}, {"fast": 3}] is 91 for slow 26 and fast 30.';
