-- Schemas in the order of the data's way, the roles of the processes, and which engine holds the candles.

create schema feed;
create schema outbox;
create schema indicator;
create schema dashboard;
create schema ops;

comment on schema feed is 'Prices in, candles out: instruments, ticks, candles, coverage.';
comment on schema outbox is 'What changed and who still has to be told: changes, candle deltas, subscriptions, deliveries.';
comment on schema indicator is 'Indicators on candles: kinds, definitions, values.';
comment on schema dashboard is 'Read functions of the web page, one per part of a screen.';
comment on schema ops is 'The operator''s console: status, lag, queues, gaps, repair.';

-- Roles belong to the cluster, so another database of it, or a deploy at this moment, may have made them.
do $$
declare
  role_name text;
begin
  foreach role_name in array array[
    'foresight_ingest', 'foresight_upkeep', 'foresight_publish', 'foresight_indicators', 'foresight_web'
  ] loop
    begin
      execute format('create role %I nologin', role_name);
    exception when duplicate_object or unique_violation then
      null;
    end;
    if not pg_has_role(current_user, role_name, 'member') then
      execute format('grant %I to current_user', role_name);
    end if;
  end loop;
end
$$;

-- outbox is for outbox.nudge() only.
grant usage on schema feed, outbox, ops to foresight_ingest;
grant usage on schema outbox, ops to foresight_upkeep;
grant usage on schema feed, outbox, ops to foresight_publish;
grant usage on schema feed, indicator, ops to foresight_indicators;
grant usage on schema dashboard, ops to foresight_web;

create table ops.installation (
  is_single boolean primary key default true check (is_single),
  engine text not null check (engine in ('timescaledb', 'postgres')),
  installed_at timestamptz not null default now()
);
comment on table ops.installation is 'One row: which engine keeps ticks and candles, chosen at the first migration.';

do $$
declare
  is_available boolean := exists (select from pg_available_extensions where name = 'timescaledb')
    and current_setting('shared_preload_libraries') ~ '\mtimescaledb\M';
begin
  if is_available then
    create extension if not exists timescaledb;
    if current_setting('timescaledb.license') <> 'timescale' then
      raise exception 'TimescaleDB is installed with its Apache licence only, which has no continuous aggregates'
        using hint = 'Set timescaledb.license to timescale in postgresql.conf, or remove timescaledb from shared_preload_libraries to use plain PostgreSQL.';
    end if;
  end if;
  insert into ops.installation (engine)
  values (case when is_available then 'timescaledb' else 'postgres' end);
end
$$;
