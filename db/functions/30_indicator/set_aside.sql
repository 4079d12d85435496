create or replace function indicator.set_aside(service text, reasons text[], details text[], bodies text[])
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  refused int := coalesce(cardinality(reasons), 0);
begin
  perform indicator.checked_service(set_aside.service);
  insert into indicator.dead_letters as old (service, reason, detail, body, times)
  select set_aside.service, l.reason, min(l.detail), l.body, count(*)
  from (
    -- It is shown on terminals.
    select u.reason, left(regexp_replace(u.detail, '[[:cntrl:]]', ' ', 'g'), 500) as detail, left(u.body, 65536) as body
    from unnest(reasons, details, bodies) as u(reason, detail, body)
  ) as l
  group by l.reason, l.body
  -- In one order, so that two of them do not wait for each other.
  order by l.reason, md5(l.body)
  on conflict (service, reason, md5(body)) do update
    set times = old.times + excluded.times, detail = excluded.detail, failed_at = excluded.failed_at;
  delete from indicator.dead_letters as d
  where d.dead_letter_id = any (array(
    select x.dead_letter_id
    from (select distinct u.reason from unnest(reasons) as u(reason)) as r
    cross join lateral (
      select o.dead_letter_id
      from indicator.dead_letters as o
      where o.service = set_aside.service and o.reason = r.reason
      order by o.failed_at desc, o.dead_letter_id desc
      offset 500
    ) as x
    order by x.dead_letter_id
  ));
  update indicator.services as s set refused_count = s.refused_count + refused
  where s.service = set_aside.service;
  return refused;
end
$$;

comment on function indicator.set_aside(text, text[], text[], text[]) is
  'Keep what a service refused of its queue (array i is refusal i): reasons as in indicator.dead_letters, details say what is wrong in words, bodies are the message, or the candle as JSON. Only the newest 500 of each reason are kept, the same body once. Returns how many. Errors: NOSVC, 23514 a reason that there is not.';
grant execute on function indicator.set_aside(text, text[], text[], text[]) to foresight_indicators, foresight_service;
