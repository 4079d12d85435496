create or replace function indicator.define_sql_kind(
  kind text, function text, description text, rule text, outputs jsonb, bars_required jsonb,
  parameters jsonb default '[]', bars_window jsonb default null, label text default null, definition text default null,
  closed_only boolean default false, defaults jsonb default '[]', with_spread boolean default false
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  name constant text := '([a-z_][a-z0-9_]*|"[^"]+")';
  found regprocedure;
  declared pg_proc;
  schema_name text;
  was_function text := (select s.function from indicator.sql_kinds as s where s.kind = define_sql_kind.kind);
  fault text;
begin
  if define_sql_kind.function ~ ('^' || name || '[.]' || name || '$') then
    found := to_regprocedure(define_sql_kind.function || '(indicator.candle[], jsonb)');
  else
    fault := format('%s does not name a function with its schema', coalesce(left(define_sql_kind.function, 80), 'null'));
  end if;
  select p.* into declared from pg_proc as p where p.oid = found;
  select n.nspname into schema_name from pg_namespace as n where n.oid = declared.pronamespace;
  fault := case
    when fault is not null then fault
    when declared.oid is null then format('there is no function %s(indicator.candle[], jsonb)', left(define_sql_kind.function, 80))
    when schema_name ~ '^(pg_|_?timescaledb)'
      or schema_name = any ('{feed,outbox,indicator,rating,track,alert,dashboard,ops,migration,graphile_worker,information_schema}')
      then format('schema %s is not yours: make the function in a schema of your own', schema_name)
    when declared.prokind <> 'f' or declared.proretset or declared.prorettype <> 'indicator.reading'::regtype
      then format('%s must return one indicator.reading', found)
    -- With the rights of its owner it could read what it likes.
    when declared.prosecdef then format('%s must not be security definer', found)
    when declared.provolatile <> 'i' then format('%s must be immutable: a value follows from its candles and parameters alone', found)
    -- One that is not trusted does not ask what its role may.
    when not (select l.lanpltrusted from pg_language as l where l.oid = declared.prolang)
      then format('%s must be of a trusted language, such as sql or plpgsql', found)
  end;
  if fault is not null then
    raise exception 'the kind % cannot be defined: %', coalesce(left(define_sql_kind.kind, 80), 'null'), fault using errcode = 'KINDS';
  end if;
  begin
    if not has_schema_privilege('foresight_sandbox'::name, schema_name, 'usage') then
      execute format('grant usage on schema %I to foresight_sandbox', schema_name);
    end if;
    if not has_function_privilege('foresight_sandbox'::name, found::oid, 'execute') then
      execute format('grant execute on function %s to foresight_sandbox', found);
    end if;
  exception when insufficient_privilege then
    null; -- Told below: without a right to grant, PostgreSQL fails or only warns.
  end;
  if not has_schema_privilege('foresight_sandbox'::name, schema_name, 'usage') or not has_function_privilege('foresight_sandbox'::name, found::oid, 'execute') then
    raise exception 'the kind % cannot be defined: foresight_sandbox may not call %', left(define_sql_kind.kind, 80), found
      using errcode = 'KINDS', hint = format('As its owner: grant usage on schema %I to foresight_sandbox; grant execute on function %s to foresight_sandbox;', schema_name, found);
  end if;
  perform indicator.register_service('sql', description => 'Kinds that are SQL functions');
  perform indicator.register_kind('sql', define_sql_kind.kind, define_sql_kind.description, define_sql_kind.rule,
    coalesce(define_sql_kind.label, define_sql_kind.kind), coalesce(define_sql_kind.definition, 'SQL function ' || declared.oid::regproc),
    define_sql_kind.parameters,
    '{start,open,high,low,close,average,volume,tick_count}'::text[] || case when define_sql_kind.with_spread then '{spread}' else '{}' end::text[],
    define_sql_kind.outputs,
    define_sql_kind.bars_required, define_sql_kind.bars_window, define_sql_kind.closed_only, define_sql_kind.defaults);
  insert into indicator.sql_kinds as k (kind, function, fingerprint)
  values (define_sql_kind.kind, declared.oid::regproc::text, md5(pg_get_functiondef(found)))
  on conflict on constraint sql_kinds_pkey do update set function = excluded.function, fingerprint = excluded.fingerprint;
  if was_function is null then
    return;
  end if;
  -- What it computes may be another thing now, and what could not be computed be possible.
  perform indicator.recompute(d.indicator_id) from indicator.definitions as d where d.kind = define_sql_kind.kind;
  perform indicator.redrive('sql');
end
$$;

comment on function indicator.define_sql_kind(text, text, text, text, jsonb, jsonb, jsonb, jsonb, text, text, boolean, jsonb, boolean) is
  'Have a SQL function computed as an indicator kind, live and on all history, by the service sql. function: its name with its schema, of a function (candles indicator.candle[], params jsonb) returns indicator.reading that is immutable; it runs as foresight_sandbox, which can read no table, for a second. The candles are the window of a value, oldest first; params are complete. with_spread: the spread of its candles is read too, else it is null. The rest as of indicator.register_kind; label is the kind unless given. Define it again after a change of the function, best in the same transaction: all its values are computed anew. Errors: KINDS no such function, one that cannot be run so, or a declaration that is wrong.';
