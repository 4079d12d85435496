create or replace function alert.begin_watch(rule_id int)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  rule alert.rules;
  newest timestamptz;
begin
  select r.* into rule from alert.rules as r where r.rule_id = begin_watch.rule_id;
  if rule.kind = 'fault' then
    -- What is wrong at its first look is known.
    update alert.rules as r set seen_at = '-infinity' where r.rule_id = begin_watch.rule_id;
    return;
  end if;
  newest := alert.bucket_beside(rule.instrument_id, rule.timeframe, rule.side, rule.indicator_id, 'infinity', -1);
  update alert.rules as r
  set from_bucket = coalesce(newest, feed.bucket(feed.timeframe_width(r.timeframe), now()))
  where r.rule_id = begin_watch.rule_id
  returning r.* into rule;
  if newest is not null then
    perform alert.compare(rule, newest, is_known => true);
  end if;
end
$$;

comment on function alert.begin_watch(int) is
  'A rule was added or goes on: it looks at candles from the newest one on, and what is so now is known.';
