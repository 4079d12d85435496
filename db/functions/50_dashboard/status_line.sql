create or replace function dashboard.status_line()
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select format('%s instruments · %s ticks stored · %s indicators · %s · %s',
    (select count(*) from feed.instruments as i where i.is_active),
    (select coalesce(sum(st.stored_count), 0) from feed.source_states as st),
    (select count(*) from indicator.definitions),
    case when waiting.deliveries + waiting.pending = 0 then 'up to date'
      else format('%s deltas to send, %s candles to compute', waiting.deliveries, waiting.pending) end,
    case when s.is_healthy and s.notes = '{}' then 'healthy' else array_to_string(s.faults || s.notes, '; ') end)
  from ops.status as s,
    (
      select (select count(*) from outbox.deliveries) as deliveries,
        (select count(*) from indicator.pending as p where p.accepted_at <= now()) as pending
    ) as waiting
$$;

comment on function dashboard.status_line() is 'The state of everything in one line, for the terminal.';
grant execute on function dashboard.status_line() to foresight_web;
