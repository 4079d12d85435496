-- Schemas in the order of the data's way, and which engine holds the candles.

create schema feed;
create schema outbox;
create schema indicator;
create schema rating;
create schema track;
create schema alert;
create schema dashboard;
create schema ops;

comment on schema feed is 'Prices in, candles out: instruments, ticks, candles, coverage.';
comment on schema outbox is 'What changed and who still has to be told: changes, candle deltas, subscriptions, deliveries.';
comment on schema indicator is 'Indicators on candles: kinds, definitions, values.';
comment on schema rating is 'One rating of many indicators: votes and their weights, ratings, their history.';
comment on schema track is 'Whether what indicators said was ever any good: forward returns after each verdict, against chance.';
comment on schema alert is 'Who is told when: rules on values, ratings, forecasts and faults, what they saw, and what was told.';
comment on schema dashboard is 'Read functions of the web page, one per part of a screen.';
comment on schema ops is 'The operator''s console: status, lag, queues, gaps, repair.';

create table ops.installation (
  is_single boolean primary key default true check (is_single),
  engine text not null check (engine in ('timescaledb', 'postgres')),
  installed_at timestamptz not null default now()
);
comment on table ops.installation is 'One row: which engine keeps ticks and candles, chosen at the first migration.';

-- Which libraries are preloaded is a secret of superusers; a setting of the extension's loader is not.
do $$
declare
  is_installed boolean := exists (select from pg_extension where extname = 'timescaledb');
  is_available boolean := is_installed
    or exists (select from pg_available_extensions where name = 'timescaledb')
    and current_setting('timescaledb.max_background_workers', true) is not null;
begin
  if is_available then
    if not is_installed then
      begin
        create extension timescaledb;
      exception when insufficient_privilege then
        raise exception 'the extension timescaledb is missing in database %, and user % may not create it', current_database(), current_user
          using errcode = 'insufficient_privilege', hint = 'As a superuser in this database: create extension timescaledb;';
      end;
    end if;
    if current_setting('timescaledb.license') <> 'timescale' then
      raise exception 'TimescaleDB is installed with its Apache licence only, which has no continuous aggregates'
        using hint = 'Set timescaledb.license to timescale in postgresql.conf, or remove timescaledb from shared_preload_libraries to use plain PostgreSQL.';
    end if;
  end if;
  insert into ops.installation (engine)
  values (case when is_available then 'timescaledb' else 'postgres' end);
end
$$;
