-- It belongs to a role that can read no table, and a function that runs with the rights of its owner can take on no
-- other role: nor can what it calls. The caller limits its time, and rolls back.
create or replace function indicator.evaluate(
  function text, fingerprint text, params jsonb, output_count int, places int[], bars_window int,
  buckets timestamptz[], opens double precision[], highs double precision[], lows double precision[],
  closes double precision[], averages double precision[], volumes double precision[], tick_counts bigint[],
  spreads double precision[]
)
returns table (
  place int, outputs double precision[], verdict int, strength double precision,
  horizon int, low double precision, high double precision, fault text
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set max_parallel_workers_per_gather = 0
as $$
declare
  candles indicator.candle[] := array(
    select row(c.bucket, c.open, c.high, c.low, c.close, c.average, c.volume, c.tick_count, c.spread)::indicator.candle
    from unnest(buckets, opens, highs, lows, closes, averages, volumes, tick_counts, spreads)
      with ordinality as c(bucket, open, high, low, close, average, volume, tick_count, spread, position)
    order by c.position
  );
  name constant text := '([a-z_][a-z0-9_]*|"[^"]+")';
  runnable regprocedure;
  reading indicator.reading;
  is_over boolean;
begin
  -- A restored dump, or somebody's grant, may have given it more.
  if current_user <> 'foresight_sandbox' or exists (
    select from pg_auth_members as m join pg_roles as r on r.oid = m.member where r.rolname = current_user
  ) or exists (
    select from pg_roles as r
    where r.rolname = current_user and (r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls)
  ) then
    raise exception 'SQL functions run only where they can read nothing, not as %', current_user
      using errcode = 'KINDS', hint = 'foresight_sandbox must be no superuser and a member of no role; then run npm run db:migrate.';
  end if;
  if function ~ ('^' || name || '[.]' || name || '$') then
    runnable := to_regprocedure(function || '(indicator.candle[], jsonb)');
  end if;
  if runnable is null then
    raise exception 'there is no function %(indicator.candle[], jsonb) any more', left(function, 80) using errcode = 'KINDS';
  elsif (select md5(pg_get_functiondef(p.oid)) from pg_proc as p where p.oid = runnable and p.prokind = 'f') is distinct from fingerprint then
    raise exception '% is not what it was when it was defined', runnable
      using errcode = 'KINDS', hint = 'Call indicator.define_sql_kind again: all its values are computed anew.';
  end if;
  foreach place in array places loop
    reading := null;
    fault := null;
    is_over := false;
    begin
      execute format('select r.* from %s($1, $2) as r', runnable::regproc)
        into reading using candles[greatest(1, place::bigint - bars_window + 1)::int:place], params;
      is_over := true;
      -- Takes back what it did to the session, such as a setting, so that no value depends on the one before it.
      raise exception using errcode = 'KINDS';
    exception when assert_failure or others then
      if not is_over then
        reading := null;
        fault := left(format('%s: %s (%s)', function, sqlerrm, sqlstate), 300);
      end if;
    end;
    if reading.outputs is not null and (array_ndims(reading.outputs) is distinct from 1 or cardinality(reading.outputs) <> output_count) then
      fault := format('%s: %s outputs instead of %s', function, cardinality(reading.outputs), output_count);
      reading := null;
    end if;
    outputs := array(select o.output from unnest(reading.outputs) with ordinality as o(output, position) order by o.position);
    outputs := case when reading.outputs is not null then outputs end;
    verdict := reading.verdict;
    strength := reading.strength;
    horizon := reading.horizon;
    low := reading.low;
    high := reading.high;
    return next;
  end loop;
  if (
    select md5(pg_get_functiondef(p.oid)) from pg_proc as p
    where p.oid = to_regprocedure(function || '(indicator.candle[], jsonb)') and p.prokind = 'f'
  ) is distinct from fingerprint then
    raise exception '% was changed while it ran', function using errcode = 'KINDS';
  end if;
end
$$;

comment on function indicator.evaluate(text, text, jsonb, int, int[], int, timestamptz[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], bigint[], double precision[]) is
  'Run a SQL function that is an indicator kind, in a role that can read no table: for each of these places (from 1 on) of a series of candles, oldest first, on up to bars_window candles that end with it. function, fingerprint and output_count as indicator.sql_kind_functions has them. Returns per place the reading, outputs null where there is none, or a fault in words: an error of the function, or another number of outputs. Errors: KINDS there is no such function any more, it is another than it was when it was defined, or the role has more rights than it should.';
grant create on schema indicator to foresight_sandbox;
alter function indicator.evaluate(text, text, jsonb, int, int[], int, timestamptz[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], bigint[], double precision[]) owner to foresight_sandbox;
revoke create on schema indicator from foresight_sandbox;
grant execute on function indicator.evaluate(text, text, jsonb, int, int[], int, timestamptz[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], bigint[], double precision[]) to foresight_indicators;
