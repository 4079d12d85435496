-- Who is alive, what is maintained, and what was found on the way.

create table ops.processes (
  process text not null,
  host text not null,
  process_id int not null,
  worker_ids text[] not null default '{}',
  services text[] not null default '{}',
  clock_offset interval,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  primary key (process, host, process_id)
) with (fillfactor = 50);
comment on table ops.processes is 'Heartbeat of every running process; worker_ids are the graphile-worker ids it runs jobs under, services those of indicator.services that it computes for.';
comment on column ops.processes.clock_offset is 'How far the clock of its host is ahead of the database''s, behind is negative; null: the process does not say, or it could not measure.';

create table ops.maintenance (
  is_single boolean primary key default true check (is_single),
  begun_at timestamptz not null default '-infinity',
  revisions bigint not null default 0,
  is_unfinished boolean not null default true
);
comment on table ops.maintenance is 'One row: when maintenance was last begun, by whichever process, and up to where it has come.';
comment on column ops.maintenance.revisions is 'ops.drawn_revisions() when the last run that reached its end was begun.';
comment on column ops.maintenance.is_unfinished is 'A run was begun and not ended, or something had changed since the run before: one more is due.';
insert into ops.maintenance default values;

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
comment on table ops.reconciliations is 'What ops.reconcile found: a row per day of candles that it compared with the ticks.';
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
