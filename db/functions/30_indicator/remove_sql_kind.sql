create or replace function indicator.remove_sql_kind(kind text)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  users text;
  gone indicator.sql_kinds;
  revoked regprocedure;
  schema_id oid;
begin
  -- Nobody adds an indicator of it meanwhile.
  perform from indicator.kinds as k where k.kind = remove_sql_kind.kind and k.service = 'sql' for update;
  if not found then
    raise exception 'there is no SQL function of kind %', coalesce(quote_literal(left(remove_sql_kind.kind, 80)), 'null') using errcode = 'NOKIN';
  end if;
  select string_agg(d.indicator_id::text, ', ' order by d.indicator_id) into users
  from indicator.definitions as d where d.kind = remove_sql_kind.kind;
  if users is not null then
    raise exception 'the kind % has indicators: %', remove_sql_kind.kind, left(users, 500)
      using errcode = 'SVUSE', hint = 'Remove those first: select indicator.remove(indicator_id);';
  end if;
  delete from indicator.sql_kinds as s where s.kind = remove_sql_kind.kind returning s.* into gone;
  delete from indicator.wishes as w where w.kind = remove_sql_kind.kind;
  delete from indicator.kinds as k where k.kind = remove_sql_kind.kind;
  revoked := to_regprocedure(gone.function || '(indicator.candle[], jsonb)');
  if revoked is not null and not exists (select from indicator.sql_kinds as s where s.function = gone.function) then
    select p.pronamespace into schema_id from pg_proc as p where p.oid = revoked;
    begin
      execute format('revoke execute on function %s from foresight_sandbox', revoked);
      if not exists (
        select from indicator.sql_kinds as s
        join pg_proc as p on p.oid = to_regprocedure(s.function || '(indicator.candle[], jsonb)')
        where p.pronamespace = schema_id
      ) then
        execute format('revoke usage on schema %s from foresight_sandbox', schema_id::regnamespace);
      end if;
    exception when insufficient_privilege then
      null; -- Whoever granted it may take it back.
    end;
  end if;
  -- What it could not compute is wanted no more.
  perform indicator.redrive('sql');
end
$$;

comment on function indicator.remove_sql_kind(text) is
  'Forget a kind that is a SQL function; the function stays. What the service sql had set aside is tried again, and so forgotten where nobody wants it. Errors: NOKIN, SVUSE there are indicators of it.';
