-- By the first column of the key and time, as keys are ordered: what is old is found without reading the rest.
create or replace procedure feed.drop_level(level text, before_time timestamptz)
language plpgsql
as $$
declare
  target record;
  id int;
  is_left boolean;
begin
  select s.relation::regclass as relation, s.time_column, a.attname as id_column into target
  from feed.storage as s
  join pg_index as i on i.indrelid = s.relation::regclass and i.indisprimary
  join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
  where s.level = drop_level.level;
  loop
    execute format('select min(o.%1$I) from %2$s as o where o.%1$I > %3$L', target.id_column, target.relation, coalesce(id, -1))
    into id;
    exit when id is null;
    loop
      execute format('select exists (select from %s as o where o.%I = %s and o.%I < %L)',
        target.relation, target.id_column, id, target.time_column, before_time) into is_left;
      exit when not is_left;
      execute format(
        'delete from %1$s as d where d.ctid = any (array(
           select o.ctid from %1$s as o where o.%2$I = %3$s and o.%4$I < %5$L order by o.%4$I limit 20000))',
        target.relation, target.id_column, id, target.time_column, before_time);
      commit;
    end loop;
  end loop;
end
$$;

comment on procedure feed.drop_level(text, timestamptz) is
  'Drop what is older than a time (UTC) of a level of feed.storage. Plain PostgreSQL: 20,000 rows a transaction.';
