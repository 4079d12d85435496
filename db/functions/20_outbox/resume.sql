create or replace function outbox.resume(name text)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update outbox.subscriptions as s set is_paused = false, retry_at = '-infinity'
  where s.name = resume.name and s.is_paused;
  if found then
    perform outbox.nudge();
    return true;
  elsif not exists (select from outbox.subscriptions as s where s.name = resume.name) then
    raise exception 'there is no subscription %', coalesce(quote_literal(left(resume.name, 80)), 'null') using errcode = 'NOSUB';
  end if;
  return false;
end
$$;

comment on function outbox.resume(text) is
  'Send a paused subscription what waits for it, and go on. Returns whether it was paused. Error NOSUB.';
