create or replace function alert.message(
  rule alert.rules, event_id uuid, event text, bucket timestamptz, refers_to uuid, from_state text, to_state text, detail jsonb
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  iso text := 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"';
  body jsonb := jsonb_build_object(
    'schema_version', 1, 'event_id', message.event_id, 'event', message.event, 'refers_to', message.refers_to,
    'created_at', to_char(clock_timestamp() at time zone 'UTC', iso),
    'rule', jsonb_build_object('rule_id', rule.rule_id, 'name', rule.name, 'kind', rule.kind),
    'from', message.from_state, 'to', message.to_state);
begin
  if rule.kind = 'fault' then
    return body || coalesce(detail, '{}');
  end if;
  return body || coalesce(detail, '{}') || (
    select jsonb_build_object(
      'symbol', i.symbol, 'source', s.source, 'is_simulated', s.is_simulated, 'timeframe', rule.timeframe, 'side', rule.side,
      'bucket', to_char(message.bucket at time zone 'UTC', iso),
      'is_closed', message.bucket + t.width + s.grace <= clock_timestamp())
    from feed.instruments as i
    join feed.sources as s using (source)
    join feed.timeframes as t on t.timeframe = rule.timeframe
    where i.instrument_id = rule.instrument_id
  ) || coalesce((
    select jsonb_build_object(
      'level', rule.level, 'output', rule.output,
      'indicator', jsonb_build_object('indicator_id', d.indicator_id, 'kind', d.kind, 'params', d.params, 'label', d.label))
    from indicator.definitions as d where d.indicator_id = rule.indicator_id
  ), '{}');
end
$$;

comment on function alert.message(alert.rules, uuid, text, timestamptz, uuid, text, text, jsonb) is
  'The message about an event, as docs/alerts.md describes it.';
