-- A candle of which events were forgotten is not looked at again, else its transition would be told a second time.
create or replace function alert.purge()
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- By whole days, so that the rules are not written each time.
  forgotten_to timestamptz := (select date_trunc('day', now() - s.retain_for, 'UTC') from alert.settings as s);
  purged int;
begin
  -- In the order in which alert.detect locks them.
  perform from alert.rules as r where r.from_bucket < forgotten_to order by r.rule_id for no key update;
  update alert.rules as r set from_bucket = forgotten_to where r.from_bucket < forgotten_to;
  delete from alert.events as e
  using alert.rules as r
  where e.rule_id = r.rule_id and e.created_at < forgotten_to and coalesce(e.bucket < forgotten_to, true)
    -- What is wrong since then is still to be said to be over.
    and not (e.event = 'fired' and r.kind = 'fault'
      and not exists (select from alert.events as n where n.refers_to = e.event_id));
  get diagnostics purged = row_count;
  return purged;
end
$$;

comment on function alert.purge() is
  'Forget events, and what became of their messages, for as long as alert.settings says; returns how many.';
grant execute on function alert.purge() to foresight_upkeep;
