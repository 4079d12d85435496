-- One reason at a time, the first one found, in the order in which a declaration is read.
create or replace function indicator.kind_fault(
  parameters jsonb, columns text[], outputs jsonb, bars_required jsonb, bars_window jsonb
)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  code constant text := '^[a-z][a-z0-9_]{0,39}$';
  readable constant text[] := array['open', 'high', 'low', 'close', 'average', 'typical', 'volume', 'tick_count', 'spread', 'start'];
  part jsonb;
  name text;
  names text[] := '{}';
  numbers jsonb := '{}';
  list record;
  fewest numeric;
  most numeric;
begin
  if jsonb_typeof(parameters) is distinct from 'array' then
    return 'parameters must be a JSON array';
  end if;
  for part in select p.value from jsonb_array_elements(parameters) as p loop
    name := part ->> 'name';
    if coalesce(name !~ code, true) or name = 'plus' then
      return format('the name of a parameter must be a short code and not plus, not %s', coalesce(part ->> 'name', part::text));
    elsif name = any (names) then
      return format('there are two parameters %s', name);
    end if;
    names := names || name;
    if part ->> 'type' in ('integer', 'number') then
      if jsonb_typeof(part -> 'min') is distinct from 'number' or jsonb_typeof(part -> 'max') is distinct from 'number'
        or jsonb_typeof(part -> 'default') is distinct from 'number'
        or (part ->> 'default')::numeric not between (part ->> 'min')::numeric and (part ->> 'max')::numeric
      then
        return format('parameter %s must have numbers min, max and a default between them', name);
      end if;
      numbers := numbers || jsonb_build_object(name, jsonb_build_array(part -> 'min', part -> 'max'));
    elsif part ->> 'type' = 'choice' then
      if jsonb_typeof(part -> 'choices') is distinct from 'array' or jsonb_typeof(part -> 'default') is distinct from 'string'
        or not (part -> 'choices') @> (part -> 'default')
        or exists (select from jsonb_array_elements(part -> 'choices') as c where jsonb_typeof(c.value) <> 'string')
      then
        return format('parameter %s must have choices, an array of texts, and one of them as its default', name);
      end if;
    else
      return format('the type of parameter %s must be integer, number or choice', name);
    end if;
  end loop;
  for part in select p.value from jsonb_array_elements(parameters) as p where p.value ? 'less_than' loop
    if not (numbers ? (part ->> 'name') and numbers ? (part ->> 'less_than')) then
      return format('parameter %s can only be less_than another number, not %s', part ->> 'name', part ->> 'less_than');
    end if;
  end loop;

  if coalesce(cardinality(columns), 0) = 0 then
    return 'it must read at least one column';
  end if;
  foreach name in array columns loop
    if name is null or name <> all (readable) then
      return format('there is no column %s; there are %s', coalesce(name, 'null'), array_to_string(readable, ', '));
    end if;
  end loop;

  if jsonb_typeof(outputs) is distinct from 'array' or jsonb_array_length(outputs) = 0 then
    return 'it must have at least one output, the first of which is its value';
  end if;
  names := '{}';
  for part in select o.value from jsonb_array_elements(outputs) as o loop
    name := part ->> 'name';
    if coalesce(name !~ code, true) then
      return format('the name of an output must be a short code, not %s', coalesce(name, part::text));
    elsif name = any (names) then
      return format('there are two outputs %s', name);
    elsif coalesce(part ->> 'unit' <> all (array['price', 'percent', 'ratio', 'count', 'probability', 'basis_points']), true) then
      return format('the unit of output %s must be price, percent, ratio, count, probability or basis_points', name);
    elsif coalesce(part ->> 'pane' <> all (array['price', 'own']), true) then
      return format('the pane of output %s must be price or own', name);
    elsif part ? 'thresholds' and (jsonb_typeof(part -> 'thresholds') <> 'array'
      or exists (select from jsonb_array_elements(part -> 'thresholds') as t where jsonb_typeof(t.value) <> 'number'))
    then
      return format('the thresholds of output %s must be an array of numbers', name);
    end if;
    names := names || name;
  end loop;

  for list in select * from (values ('bars_required', bars_required), ('bars_window', bars_window)) as l(what, sums) loop
    if jsonb_typeof(list.sums) is distinct from 'array' or jsonb_array_length(list.sums) = 0 then
      return format('%s must be an array of sums, such as [{"slow": 1, "plus": 1}]', list.what);
    end if;
    for part in select s.value from jsonb_array_elements(list.sums) as s loop
      if jsonb_typeof(part) <> 'object' or part = '{}' then
        return format('each sum of %s must be an object of parameters and numbers, not %s', list.what, part);
      end if;
      for name in select t.key from jsonb_each(part) as t loop
        if name <> 'plus' and not numbers ? name then
          return format('a sum of %s names %s, which is no parameter that is a number', list.what, name);
        elsif jsonb_typeof(part -> name) <> 'number' then
          return format('in a sum of %s, %s must be multiplied by a number', list.what, name);
        end if;
      end loop;
      select sum(least(t.factor * n.lowest, t.factor * n.highest)), sum(greatest(t.factor * n.lowest, t.factor * n.highest))
      into fewest, most
      from (select e.key, e.value::numeric as factor from jsonb_each_text(part) as e) as t
      cross join lateral (
        select case t.key when 'plus' then 1 else (numbers -> t.key ->> 0)::numeric end as lowest,
          case t.key when 'plus' then 1 else (numbers -> t.key ->> 1)::numeric end as highest
      ) as n;
      if fewest < 1 or most > 5000 then
        return format('a sum of %s must be from 1 to 5000 whatever the parameters are; %s is from %s to %s',
          list.what, part, fewest, most);
      end if;
    end loop;
  end loop;
  return null;
end
$$;

comment on function indicator.kind_fault(jsonb, text[], jsonb, jsonb, jsonb) is
  'What is wrong with the declaration of an indicator kind, in words that name it; null: nothing.';
