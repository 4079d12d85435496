create or replace function ops.beat(process text, host text default '', process_id int default 0, worker_ids text[] default '{}')
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into ops.processes as p (process, host, process_id, worker_ids)
  values (process, host, process_id, worker_ids)
  on conflict on constraint processes_pkey do update set worker_ids = excluded.worker_ids, seen_at = now()
$$;

comment on function ops.beat(text, text, int, text[]) is
  'A process says that it is alive, every few seconds; worker_ids are its graphile-worker ids.';
grant execute on function ops.beat(text, text, int, text[])
  to foresight_ingest, foresight_upkeep, foresight_publish, foresight_indicators, foresight_web;
