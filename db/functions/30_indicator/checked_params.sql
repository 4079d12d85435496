create or replace function indicator.checked_params(kind text, params jsonb)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  known indicator.kinds;
  parameter record;
  given jsonb;
  checked jsonb := '{}';
  unknown_name text;
begin
  select k.* into known from indicator.kinds as k where k.kind = checked_params.kind;
  if known.kind is null then
    raise exception 'there is no indicator kind %', coalesce(quote_literal(left(checked_params.kind, 80)), 'null')
      using errcode = 'NOKIN', hint = coalesce(
        (select 'Choose one of ' || string_agg(k.kind, ', ' order by k.kind) from indicator.kinds as k),
        'None is registered: start the indicators'' process once (npm run start:indicators).');
  end if;
  if jsonb_typeof(params) is distinct from 'object' then
    raise exception 'params must be a JSON object, such as {"fast": 10}' using errcode = 'PARAM';
  end if;
  select p.name into unknown_name from jsonb_object_keys(params) as p(name)
  where not exists (select from jsonb_array_elements(known.parameters) as k(spec) where k.spec ->> 'name' = p.name)
  limit 1;
  if unknown_name is not null then
    raise exception '% has no parameter %', known.kind, quote_literal(left(unknown_name, 80)) using errcode = 'PARAM',
      hint = coalesce((
        select 'Its parameters are ' || string_agg(k.spec ->> 'name' || case k.spec ->> 'type'
          when 'choice' then format(' (%s)', (select string_agg(c.value, ', ' order by c.place)
            from jsonb_array_elements_text(k.spec -> 'choices') with ordinality as c(value, place)))
          else format(' (%s to %s)', k.spec ->> 'min', k.spec ->> 'max') end, ', ' order by k.place) || '.'
        from jsonb_array_elements(known.parameters) with ordinality as k(spec, place)
      ), 'It has no parameters.');
  end if;
  for parameter in
    select k.spec ->> 'name' as name, k.spec ->> 'type' as type, k.spec -> 'default' as fallback,
      (k.spec ->> 'min')::numeric as lowest, (k.spec ->> 'max')::numeric as highest, k.spec ->> 'less_than' as less_than,
      k.spec -> 'choices' as choices
    from jsonb_array_elements(known.parameters) as k(spec)
  loop
    given := coalesce(params -> parameter.name, parameter.fallback);
    if parameter.type = 'choice' then
      if jsonb_typeof(given) is distinct from 'string' or not parameter.choices @> given then
        raise exception 'parameter % of % must be one of %, not %', parameter.name, known.kind,
          (select string_agg(c.value, ', ' order by c.place) from jsonb_array_elements_text(parameter.choices) with ordinality as c(value, place)),
          coalesce(left(given::text, 80), 'null')
          using errcode = 'PARAM';
      end if;
      checked := checked || jsonb_build_object(parameter.name, given);
      continue;
    end if;
    if jsonb_typeof(given) is distinct from 'number'
      or (parameter.type = 'integer' and given::numeric <> trunc(given::numeric))
      or given::numeric not between parameter.lowest and parameter.highest
    then
      raise exception 'parameter % of % must be % from % to %, not %', parameter.name, known.kind,
        case parameter.type when 'integer' then 'a whole number' else 'a number' end,
        parameter.lowest, parameter.highest, coalesce(left(given::text, 80), 'null')
        using errcode = 'PARAM';
    end if;
    checked := checked || jsonb_build_object(parameter.name, trim_scale(given::numeric));
  end loop;
  for parameter in
    select k.spec ->> 'name' as name, k.spec ->> 'less_than' as other
    from jsonb_array_elements(known.parameters) as k(spec) where k.spec ? 'less_than'
  loop
    if (checked ->> parameter.name)::numeric >= (checked ->> parameter.other)::numeric then
      raise exception 'parameter % of % must be less than %, but % is not less than %', parameter.name, known.kind,
        parameter.other, checked ->> parameter.name, checked ->> parameter.other
        using errcode = 'PARAM';
    end if;
  end loop;
  return checked;
end
$$;

comment on function indicator.checked_params(text, jsonb) is
  'The complete parameters of an indicator kind, defaults filled in. Errors: NOKIN no such kind, PARAM a parameter that is unknown or out of its bounds.';
