-- Marks are taken in one statement and the values read in later ones, which see all that the marks stand for; and all
-- in one transaction with the events, so that a transition is noted once, whoever dies in the middle.
create or replace function alert.detect(max_candles int default 50)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  taken indicator.marks[];
  pair record;
  rule alert.rules;
begin
  -- One at a time: whoever is at it goes on until nothing is left.
  if not pg_try_advisory_xact_lock(hashtext('alert.detect')) then
    return 0;
  end if;
  perform nextval('indicator.mark_generation');
  with taken as (
    delete from indicator.marks as m
    where m.ctid = any (array(
      select o.ctid from indicator.marks as o order by o.marked_at limit max_candles for update skip locked))
    returning m as mark
  )
  select array_agg(t.mark) into taken from taken as t;
  for pair in
    select r.rule_id, m.bucket
    from (select distinct t.instrument_id, t.timeframe, t.side, t.bucket from unnest(taken) as t) as m
    join alert.rules as r using (instrument_id, timeframe, side)
    where not r.is_paused
    order by r.rule_id, m.bucket
  loop
    -- One that was removed or paused meanwhile sees nothing; one that is seen here is not removed, paused or resumed
    -- meanwhile, which would look too.
    select r.* into rule from alert.rules as r where r.rule_id = pair.rule_id and not r.is_paused for no key update;
    if found then
      perform alert.compare(rule, pair.bucket);
    end if;
  end loop;
  return coalesce(cardinality(taken), 0);
end
$$;

comment on function alert.detect(int) is
  'Look with all rules at candles whose values changed, oldest change first, and note the transitions. Returns at how many: call it again until it is 0.';
grant execute on function alert.detect(int) to foresight_publish;
