-- What a session asks many times a second with the same words is planned once, though it is put together: a plan that
-- is kept is made again by itself when what it reads has changed.
create or replace function feed.prepared(purpose text, argument_types text, statement text)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  -- More than are in use at a time.
  most_kept int := 8;
  own_name text := purpose || ' ' || md5(statement);
  other text;
begin
  if exists (select from pg_prepared_statements as p where p.name = own_name) then
    return own_name;
  end if;
  for other in
    select p.name from pg_prepared_statements as p
    where p.name ^@ (purpose || ' ')
    order by p.prepare_time desc
    offset most_kept - 1
  loop
    execute format('deallocate %I', other);
  end loop;
  execute format('prepare %I (%s) as %s', own_name, argument_types, statement);
  return own_name;
end
$$;

comment on function feed.prepared(text, text, text) is
  'Prepare a statement in this session, if it is not yet; those of this purpose that were prepared long before are forgotten. Returns its name, for EXECUTE. purpose: a word; argument_types: of $1 and so on, as in PREPARE.';
