create or replace function ops.note_maintenance(step text, error text default null)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if note_maintenance.error is null then
    delete from ops.maintenance_failures as f where f.step = note_maintenance.step;
  else
    insert into ops.maintenance_failures as f (step, error)
    values (note_maintenance.step, left(note_maintenance.error, 500))
    on conflict on constraint maintenance_failures_pkey do update set error = excluded.error, failed_at = excluded.failed_at;
  end if;
end
$$;

comment on function ops.note_maintenance(text, text) is
  'A step of maintenance worked (error null) or failed: ops.status tells of those that fail.';
grant execute on function ops.note_maintenance(text, text) to foresight_upkeep;
