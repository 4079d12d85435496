-- A connection alone is no sign of life: a source that takes connections and sends nothing is connected anew
-- again and again, and as silent as before.
create or replace function feed.record_source_state(source text, state text, reason text default null, alone_for interval default null)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into feed.source_states as s (source, state, reason, changed_at, alive_at, alone_until)
  values (source, state, reason, now(), case when state = 'connected' then now() end, now() + alone_for)
  on conflict on constraint source_states_pkey do update set
    begun_at = case when s.state = 'stopped' then excluded.begun_at else s.begun_at end,
    alone_until = case when excluded.state <> 'connected' then coalesce(excluded.alone_until, s.alone_until) end,
    state = excluded.state,
    reason = excluded.reason,
    changed_at = case when s.state = excluded.state then s.changed_at else excluded.changed_at end,
    alive_at = case when s.state = 'stopped' then coalesce(excluded.alive_at, s.alive_at) else coalesce(s.alive_at, excluded.alive_at) end
$$;

comment on function feed.record_source_state(text, text, text, interval) is
  'A source connected, disconnected, or was stopped in order, and why. alone_for: so long its provider asked to be left alone.';
grant execute on function feed.record_source_state(text, text, text, interval) to foresight_ingest;
