create or replace function indicator.named_outputs(declared jsonb, outputs double precision[])
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(
    jsonb_build_object('thresholds', '[]'::jsonb) || o.spec || jsonb_build_object('value', outputs[o.place]) order by o.place), '[]')
  from jsonb_array_elements(declared) with ordinality as o(spec, place)
$$;

comment on function indicator.named_outputs(jsonb, double precision[]) is
  'The outputs that a kind declares with what they are: [{"name", "unit", "pane", "thresholds", "value"}], value null while warming up.';
