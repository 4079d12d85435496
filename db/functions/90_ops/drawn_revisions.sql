create or replace function ops.drawn_revisions()
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  -- A sequence of which nothing was drawn stands at its first value already.
  select (select c.last_value + c.is_called::int from outbox.change_revision as c)
    + (select r.last_value + r.is_called::int from outbox.revision as r)
$$;

comment on function ops.drawn_revisions() is
  'How many revisions of marks and candles were drawn: another number says that ticks came, candles were captured or closed, or feed.storage or indicator.retention was edited.';
