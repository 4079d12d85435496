-- In PL/pgSQL, which keeps its plan: to plan all that it reads takes longer than to read it.
create or replace function dashboard.status()
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object(
      'engine', s.engine, 'engine_version', s.engine_version, 'postgres_version', s.postgres_version,
      'started_at', s.started_at, 'is_healthy', s.is_healthy, 'faults', to_jsonb(s.faults),
      'notes', to_jsonb(s.notes),
      'processes', (
        select coalesce(jsonb_agg(jsonb_build_object('process', p.process, 'last_seen_at', p.seen_at,
          'is_alive', p.seen_at > now() - l.silence) order by p.process), '[]')
        from feed.fault_limits as l, (select p.process, max(p.seen_at) as seen_at from ops.processes as p group by 1) as p),
      'services', (
        select coalesce(jsonb_agg(jsonb_build_object('service', v.service, 'description', v.description, 'queue', v.queue,
          'closed_only', v.closed_only, 'indicators', v.indicators, 'is_running', v.is_running,
          'processes', coalesce(to_jsonb(v.processes), '[]'), 'last_seen_at', v.seen_at, 'to_send', v.to_send,
          'pending', v.pending, 'pending_since', v.pending_since, 'histories', v.histories, 'behind_since', v.behind_since)
          order by v.service), '[]')
        from ops.services as v),
      'lag', (select jsonb_agg(to_jsonb(l)) from ops.lag as l),
      'sources', (
        select coalesce(jsonb_agg(jsonb_build_object('source', st.source, 'is_simulated', f.is_simulated,
          'state', st.state, 'reason', st.reason, 'last_message_at', st.alive_at, 'stored', st.stored_count,
          'duplicate', st.duplicate_count, 'conflicting', st.conflicting_count, 'rejected', st.rejected_count)
          order by st.source), '[]')
        from feed.source_states as st join feed.sources as f using (source)),
      'queues', (
        select coalesce(jsonb_agg(jsonb_build_object('subscription', q.subscription, 'queue', q.queue,
          'pending', q.pending, 'oldest_pending_at', q.oldest_pending_at, 'sent', q.sent_count,
          'last_sent_at', q.last_sent_at, 'last_error', q.last_error, 'dead_letters', q.dead_letters)
          order by q.subscription), '[]')
        from ops.queues as q),
      'alerts', (
        select coalesce(jsonb_agg(to_jsonb(r) order by r.last_event_at desc nulls last, r.rule_id), '[]')
        from (
          select a.rule_id, a.name, concat_ws(' ', a.symbol, a.timeframe, coalesce(a.indicator, a.kind)) as about, a.is_paused,
            a.last_event, a.last_state, a.last_event_at, a.waiting, a.given_up
          from alert.rule_list as a
          order by a.last_event_at desc nulls last, a.rule_id
          limit 50
        ) as r))
    from ops.status as s
  );
end
$$;

comment on function dashboard.status() is 'Everything of the status page as JSON.';
grant execute on function dashboard.status() to foresight_web;
