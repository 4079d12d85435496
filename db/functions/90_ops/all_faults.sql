-- By name, so that a schema that comes later is heard as soon as it has a view of that name.
create or replace function ops.all_faults()
returns table (fault text, since timestamptz)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query execute (
    select string_agg(format('select f.fault, f.since from %s as f', c.oid::regclass), ' union all ' order by c.oid)
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where c.relname = 'faults' and c.relkind = 'v' and pg_has_role(c.relowner, 'member')
  );
end
$$;

comment on function ops.all_faults() is
  'What the view faults of each schema tells: the fault in words, and since when (UTC; null: not known).';
grant execute on function ops.all_faults() to foresight_publish, foresight_web;
