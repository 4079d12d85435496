create or replace function ops.say_goodbye(process text, host text, process_id int)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  delete from ops.processes as p
  where p.process = ops.checked_process(say_goodbye.process) and p.host = say_goodbye.host and p.process_id = say_goodbye.process_id
$$;

comment on function ops.say_goodbye(text, text, int) is 'A process stops in an orderly way: no heartbeat is expected of it any more. Error SPEAK the caller is no such process.';
grant execute on function ops.say_goodbye(text, text, int)
  to foresight_ingest, foresight_upkeep, foresight_publish, foresight_indicators, foresight_web;
