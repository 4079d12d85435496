create or replace function alert.note_event(
  rule alert.rules, event text, bucket timestamptz, occurrence int, from_state text, to_state text, detail jsonb,
  refers_to alert.events default null, is_known boolean default false
)
returns uuid
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  noted_id uuid := gen_random_uuid();
  held_back text := case
    -- What was told nobody is taken back, or over, silently too.
    when (note_event.refers_to).event_id is not null then (note_event.refers_to).held_back
    when event = 'test' then null
    when is_known then 'known'
    when rule.cooldown > '0' and exists (
      select from alert.events as e
      where e.rule_id = rule.rule_id and e.created_at > clock_timestamp() - rule.cooldown and e.event = 'fired' and e.held_back is null
    ) then 'cooldown'
  end;
begin
  insert into alert.events (event_id, rule_id, event, bucket, occurrence, refers_to, from_state, to_state, held_back, body)
  values (noted_id, rule.rule_id, note_event.event, note_event.bucket, note_event.occurrence, (note_event.refers_to).event_id,
    note_event.from_state, note_event.to_state, held_back, alert.message(
      rule, noted_id, note_event.event, note_event.bucket, (note_event.refers_to).event_id,
      note_event.from_state, note_event.to_state, detail));
  if held_back is null then
    insert into alert.deliveries (event_id, rule_id) values (noted_id, rule.rule_id);
  end if;
  return noted_id;
end
$$;

comment on function alert.note_event(alert.rules, text, timestamptz, int, text, text, jsonb, alert.events, boolean) is
  'Note what a rule saw (bucket in UTC), with its message, and queue that, unless it is held back. refers_to: the event that is taken back or over. is_known: it was so when the rule began. Returns the event''s id.';
