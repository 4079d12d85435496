-- The start of every deploy: the roles of the processes. They belong to the cluster, so another database of it may have
-- made them, and a dump of this one does not bring them.
do $$
declare
  roles text[] := '{foresight_ingest,foresight_upkeep,foresight_publish,foresight_indicators,foresight_service,foresight_sandbox,foresight_push,foresight_web}';
  -- From PostgreSQL 16 on, who makes a role may grant it, but not take it on.
  knows_options boolean := current_setting('server_version_num')::int >= 160000;
  role_name text;
begin
  foreach role_name in array roles loop
    begin
      if to_regrole(role_name) is null then
        execute format('create role %I nologin', role_name);
      end if;
    exception when duplicate_object or unique_violation then
      null; -- Another deploy of the cluster was faster.
    end;
    if not pg_has_role(current_user, role_name, case when knows_options then 'set' else 'member' end) then
      execute format('grant %I to current_user %s', role_name, case when knows_options then 'with set true, inherit true' end);
    end if;
  end loop;
exception when insufficient_privilege then
  raise exception 'user % may not make or take on the role %', current_user, role_name
    using errcode = 'insufficient_privilege', hint = (
      select 'As a superuser: ' || coalesce(string_agg(format('create role %I; ', name), '') filter (where to_regrole(name) is null), '')
        || format('grant %s to %I;', string_agg(quote_ident(name), ', '), current_user)
      from unnest(roles) as r(name)
    );
end
$$;
