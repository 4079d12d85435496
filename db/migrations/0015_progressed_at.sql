-- A history whose computation fails again and again was waiting work to ops.lag, and no fault to anybody.
alter table indicator.backfills add column progressed_at timestamptz not null default now();
comment on column indicator.backfills.progressed_at is 'When its last stretch was stored, or it became the first in line.';
