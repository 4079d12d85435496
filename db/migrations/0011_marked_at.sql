-- How long a change waits was told by the time of its ticks: a late tick looked old at once, and nothing
-- could be said of changes that nobody captures.
alter table outbox.changes add column marked_at timestamptz not null default clock_timestamp();
comment on column outbox.changes.marked_at is 'When the first of its ticks was stored (UTC): since then it waits to be captured.';
