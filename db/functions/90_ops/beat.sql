create or replace function ops.beat(
  process text, host text default '', process_id int default 0, worker_ids text[] default '{}', clock_offset interval default null
)
returns timestamptz
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into ops.processes as p (process, host, process_id, worker_ids, clock_offset)
  values (ops.checked_process(process), host, process_id, worker_ids, clock_offset)
  on conflict on constraint processes_pkey do update set
    worker_ids = excluded.worker_ids, clock_offset = excluded.clock_offset, seen_at = now()
  returning clock_timestamp()
$$;

comment on function ops.beat(text, text, int, text[], interval) is
  'A process says that it is alive, every few seconds; worker_ids are its graphile-worker ids, clock_offset how far the clock of its host is ahead of ours, as far as it knows from the last answer: our clock (UTC) is what is returned. Error SPEAK the caller is no such process.';
grant execute on function ops.beat(text, text, int, text[], interval)
  to foresight_ingest, foresight_upkeep, foresight_publish, foresight_indicators, foresight_web;
