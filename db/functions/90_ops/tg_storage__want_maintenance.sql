create or replace function ops.tg_storage__want_maintenance()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform nextval('outbox.change_revision');
  return null;
end
$$;

comment on function ops.tg_storage__want_maintenance() is
  'An edit of storage settings counts as a change, after which maintenance is due.';

create or replace trigger _200_want_maintenance
  after update of compress_after, retain_for on feed.storage
  for each statement execute function ops.tg_storage__want_maintenance();

create or replace trigger _200_want_maintenance
  after insert or update of retain_for on indicator.retention
  for each statement execute function ops.tg_storage__want_maintenance();
