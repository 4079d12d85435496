create or replace function indicator.beat(
  services text[], host text default '', process_id int default 0, worker_ids text[] default '{}'
)
returns timestamptz
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into ops.processes as p (process, host, process_id, worker_ids, services)
  select 'indicators', host, process_id, worker_ids, coalesce(array_agg(indicator.checked_service(s.service)), '{}')
  from unnest(services) as s(service)
  on conflict on constraint processes_pkey do update
    set worker_ids = excluded.worker_ids, services = excluded.services, seen_at = now();
  select indicator.settle_sides();
  select min(indicator.next_work_at(s.service)) from unnest(services) as s(service)
$$;

comment on function indicator.beat(text[], text, int, text[]) is
  'A process that computes for these services says that it is alive, at least every five seconds; host and process_id name it, worker_ids are its graphile-worker ids, if it has some. Returns when there is next something to compute for them (UTC): now if some waits; null: nothing, until candles change. Error NOSVC.';
grant execute on function indicator.beat(text[], text, int, text[]) to foresight_indicators, foresight_service;
