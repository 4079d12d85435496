-- A quiet system asks for nothing but heartbeats: they say when there is next something to do, and whether
-- there is something to maintain. What was asked each second is gone.
drop function if exists outbox.has_work();
drop function if exists indicator.has_work();

create table ops.maintenance (
  is_single boolean primary key default true check (is_single),
  begun_at timestamptz not null default '-infinity',
  revisions bigint not null default 0,
  is_unfinished boolean not null default true
);
comment on table ops.maintenance is 'One row: when maintenance was last begun, by whichever publisher, and up to where it has come.';
comment on column ops.maintenance.revisions is 'ops.drawn_revisions() when the last run that reached its end was begun.';
comment on column ops.maintenance.is_unfinished is 'A run was begun and not ended, or something had changed since the run before: one more is due.';
insert into ops.maintenance default values;
