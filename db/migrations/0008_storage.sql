-- How long what is kept, and what was given up, in a table that an operator can edit. feed.apply_storage
-- does what it says; the columnstore policy that TimescaleDB ran by itself is gone.
create table feed.storage (
  level text primary key,
  timeframe text unique references feed.timeframes on delete cascade,
  compress_after interval constraint compress_after_is_at_least_a_day check (compress_after >= interval '1 day'),
  retain_for interval constraint retain_for_is_at_least_two_days check (retain_for >= interval '2 days'),
  floor_at timestamptz not null default '-infinity',
  dropped_to timestamptz not null default '-infinity'
    constraint only_what_is_below_the_floor_is_dropped check (dropped_to <= floor_at),
  constraint level_is_the_ticks_or_a_timeframe check (level = coalesce(timeframe, 'ticks'))
);
comment on table feed.storage is 'A row for the ticks and one a timeframe: when they are compressed and how long they are kept. UPDATE compress_after and retain_for as you like; feed.apply_storage, which the publisher calls each minute, does it.';
comment on column feed.storage.compress_after is 'TimescaleDB moves what is older into its columnstore; null: never. Late ticks are still taken in. Plain PostgreSQL has none.';
comment on column feed.storage.retain_for is 'What is older goes, in whole days (UTC); null: kept for ever. Ticks may go while their candles stay.';
comment on column feed.storage.floor_at is 'Older (UTC) was given up: ticks of then are refused. Never goes back.';
comment on column feed.storage.dropped_to is 'Older (UTC) may be gone: nothing is computed from it any more.';

insert into feed.storage (level, timeframe, compress_after) values ('ticks', null, '7 days');
insert into feed.storage (level, timeframe) select t.timeframe, t.timeframe from feed.timeframes as t;

alter table feed.instruments add column first_observed_at timestamptz;
comment on column feed.instruments.first_observed_at is 'The oldest tick (UTC) there was when ticks were dropped; absent: none was.';

create table ops.reconciliations (
  reconciliation_id bigint generated always as identity primary key,
  from_time timestamptz not null,
  to_time timestamptz not null,
  finished_at timestamptz not null default clock_timestamp(),
  compared bigint not null,
  different bigint not null,
  unrepaired bigint not null,
  samples jsonb not null
);
create index reconciliations_by_time on ops.reconciliations (from_time);
comment on table ops.reconciliations is 'What ops.reconcile found: a row a day of candles that it compared with the ticks.';
comment on column ops.reconciliations.compared is 'Candles of all timeframes, each with its four sides.';
comment on column ops.reconciliations.different is 'Candles that were not what the ticks say; samples names the first of them.';
comment on column ops.reconciliations.unrepaired is 'How many of them still were not after the repair.';

create table ops.maintenance_failures (
  step text primary key,
  error text not null,
  failed_since timestamptz not null default clock_timestamp(),
  failed_at timestamptz not null default clock_timestamp()
);
comment on table ops.maintenance_failures is 'Steps of maintenance that failed when they were last tried; a row goes when its step works again.';

do $$
begin
  if (select i.engine from ops.installation as i) = 'timescaledb' then
    execute 'select public.remove_columnstore_policy(''feed.ticks'', if_exists => true)';
  end if;
exception when wrong_object_type or undefined_function then
  execute 'call public.remove_columnstore_policy(''feed.ticks'', if_exists => true)';
end
$$;

-- It comes back with another parameter.
drop function if exists feed.tick_fault(text, text, timestamptz, bigint, double precision, double precision, double precision, double precision, timestamptz);
-- They come back with other events and more faults.
drop view if exists ops.status;
