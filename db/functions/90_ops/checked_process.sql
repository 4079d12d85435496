-- The caller, as a function that runs with the owner's rights sees only the owner: the role that a session has taken
-- on, or the one that it logged in as.
create or replace function ops.checked_process(process text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
begin
  if not pg_has_role(caller, current_user, 'member') and not exists (
    select from pg_roles as r
    where r.rolname = 'foresight_' || checked_process.process and pg_has_role(caller, r.oid, 'usage')
  ) then
    raise exception '% does not speak for a process %', caller, coalesce(quote_literal(left(checked_process.process, 80)), 'null')
      using errcode = 'SPEAK', hint = 'A process speaks for itself, by the role foresight_ and its name.';
  end if;
  return checked_process.process;
end
$$;

comment on function ops.checked_process(text) is
  'The name of a process, if the caller may be that process: it has its role, or the rights of the owner. Error SPEAK.';
