create or replace function alert.secret(rule_id int)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  perform alert.rule(secret.rule_id);
  return (select s.secret from alert.secrets as s where s.rule_id = secret.rule_id);
end
$$;

comment on function alert.secret(int) is
  'The key with which the webhooks of a rule are signed. Error NORUL.';
