create or replace function alert.retry(rule_id int)
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  queued int;
begin
  perform alert.rule(retry.rule_id);
  update alert.deliveries as d
  set next_try_at = '-infinity', gave_up_at = null, queued_at = clock_timestamp(), attempts = least(d.attempts, 1)
  where d.rule_id = retry.rule_id and d.delivered_at is null;
  get diagnostics queued = row_count;
  return queued;
end
$$;

comment on function alert.retry(int) is
  'Try all messages of a rule now that were not delivered, those too that were given up; returns how many. Error NORUL.';
