-- What an event stands for follows from the values alone: a state that a candle has and the one before it has not. So
-- whatever is looked at twice, late or in another order, the events that were not taken back are in the end the same.
create or replace function alert.compare(rule alert.rules, bucket timestamptz, is_known boolean default false)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  candle timestamptz;
  before_bucket timestamptz;
  sighting alert.sighting;
  before alert.sighting;
  has_entered boolean;
  newest alert.events;
  made int := 0;
begin
  if compare.bucket < rule.from_bucket then
    return 0;
  end if;
  -- The candle after it is compared with it.
  foreach candle in array array_remove(array[
    compare.bucket, alert.bucket_beside(rule.instrument_id, rule.timeframe, rule.side, rule.indicator_id, compare.bucket, 1)
  ], null) loop
    sighting := alert.sight(rule, candle);
    continue when not sighting.is_settled;
    before_bucket := alert.bucket_beside(rule.instrument_id, rule.timeframe, rule.side, rule.indicator_id, candle, -1);
    before := case when before_bucket is not null then alert.sight(rule, before_bucket) end;
    -- What was before is not kept any more, or was never there: nothing says that this was entered, or was not.
    continue when before.state is null;
    has_entered := coalesce(sighting.state <> before.state and (rule.becomes is null or sighting.state = any (rule.becomes)), false);
    select e.* into newest
    from alert.events as e
    where e.rule_id = rule.rule_id and e.bucket = candle
    order by e.occurrence desc, e.event = 'taken back' desc
    limit 1;
    if newest.event = 'fired' and not (has_entered and newest.to_state = sighting.state) then
      perform alert.note_event(rule, 'taken back', candle, newest.occurrence, before.state, sighting.state, sighting.detail, newest, false);
      made := made + 1;
      newest.event := 'taken back';
    end if;
    if has_entered and newest.event is distinct from 'fired' then
      perform alert.note_event(rule, 'fired', candle, coalesce(newest.occurrence, 0) + 1, before.state, sighting.state, sighting.detail, null, is_known);
      made := made + 1;
    end if;
  end loop;
  return made;
end
$$;

comment on function alert.compare(alert.rules, timestamptz, boolean) is
  'Look with a rule at a candle (UTC) whose values changed, and at the one after it: note what was entered, and take back what was not. is_known: it was so when the rule began. Returns how many events were noted.';
