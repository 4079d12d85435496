create or replace function alert.test(rule_id int)
returns uuid
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  rule alert.rules := alert.rule(test.rule_id);
  newest timestamptz;
  sighting alert.sighting;
begin
  if rule.is_paused then
    raise exception 'alert rule % is paused', rule.rule_id
      using errcode = 'ALERT', hint = format('It goes on with: select alert.resume(%s);', rule.rule_id);
  end if;
  if rule.kind = 'fault' then
    return alert.note_event(rule, 'test', null, 1, 'well', 'faulty', '{"faults": ["this is a test"]}');
  end if;
  newest := alert.bucket_beside(rule.instrument_id, rule.timeframe, rule.side, rule.indicator_id, 'infinity', -1);
  sighting := case when newest is not null then alert.sight(rule, newest) end;
  return alert.note_event(rule, 'test', null, 1, null, sighting.state, sighting.detail);
end
$$;

comment on function alert.test(int) is
  'Send the target of a rule an example, of what is so now; alert.delivery_log shows what became of it. Returns the event''s id. Errors: NORUL, ALERT it is paused.';
