create or replace function alert.renew_secret(rule_id int)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  renewed text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
begin
  perform alert.rule(renew_secret.rule_id);
  update alert.secrets as s set secret = renewed where s.rule_id = renew_secret.rule_id;
  return renewed;
end
$$;

comment on function alert.renew_secret(int) is
  'Another key for the webhooks of a rule, from the next one on; returns it. Error NORUL.';
