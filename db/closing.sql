-- The end of every deploy: what must hold for all objects, whoever forgot.
set local check_function_bodies = on;
select feed.create_missing_candles();
select feed.prepare_levels();

-- outbox is for outbox.nudge() only.
grant usage on schema feed, outbox, ops to foresight_ingest;
grant usage on schema feed, outbox to foresight_push;
grant usage on schema feed, outbox, indicator, track, alert, ops to foresight_upkeep;
grant usage on schema feed, outbox, alert, ops to foresight_publish;
grant usage on schema feed, indicator, ops to foresight_indicators;
grant usage on schema indicator to foresight_service, foresight_sandbox;
grant usage on schema dashboard, ops to foresight_web;
revoke execute on all functions in schema feed, outbox, indicator, rating, track, alert, dashboard, ops from public;
revoke execute on all procedures in schema feed, outbox, indicator, rating, track, alert, dashboard, ops from public;

-- graphile-worker's tables have row security without a policy, which hides them from all but their owner.
grant usage on schema graphile_worker to foresight_upkeep, foresight_publish, foresight_indicators;
grant execute on all functions in schema graphile_worker to foresight_upkeep, foresight_publish, foresight_indicators;
grant select, insert, update, delete on all tables in schema graphile_worker to foresight_upkeep, foresight_publish, foresight_indicators;
grant usage, select on all sequences in schema graphile_worker to foresight_upkeep, foresight_publish, foresight_indicators;
do $$
declare
  private record;
begin
  for private in
    select c.oid::regclass as name from pg_class as c
    where c.relnamespace = 'graphile_worker'::regnamespace and c.relrowsecurity
      -- One that is there already is left alone: to make it anew locks out who works.
      and not exists (
        select from pg_policies as p
        where p.schemaname = 'graphile_worker' and p.tablename = c.relname and p.policyname = 'foresight_workers'
          and p.roles = '{foresight_indicators,foresight_publish,foresight_upkeep}' and p.cmd = 'ALL'
          and p.permissive = 'PERMISSIVE' and p.qual = 'true' and p.with_check = 'true'
      )
  loop
    execute format('drop policy if exists foresight_workers on %s', private.name);
    execute format(
      'create policy foresight_workers on %s to foresight_upkeep, foresight_publish, foresight_indicators using (true) with check (true)',
      private.name);
  end loop;
end
$$;
