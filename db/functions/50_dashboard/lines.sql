create or replace function dashboard.lines(outputs jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_object_agg(o.output ->> 'name', o.output -> 'value')
  from jsonb_array_elements(outputs) as o(output)
  where o.output -> 'value' <> 'null'
    and (o.output ->> 'pane' = 'price' or not outputs @> '[{"pane": "price"}]')
$$;

comment on function dashboard.lines(jsonb) is
  'Which outputs of indicator.named_outputs are drawn, by name: those over the price, or all where there are none. Null while warming up.';
