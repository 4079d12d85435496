-- Long enough for any price there is, and short enough for the type.
create or replace function feed.exact_number(told jsonb)
returns numeric
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case jsonb_typeof(told)
    when 'number' then told::numeric
    when 'string' then
      case when told #>> '{}' ~ '^[+-]?(\d{1,60}(\.\d{0,60})?|\.\d{1,60})([eE][+-]?\d{1,3})?$' then (told #>> '{}')::numeric end
  end
$$;

comment on function feed.exact_number(jsonb) is
  'A number as it is written, in JSON or as its text: never through a float. Null when it is none.';
