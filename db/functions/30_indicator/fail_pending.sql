create or replace function indicator.fail_pending(work_ids bigint[], detail text)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  gone record;
  set_aside int := 0;
begin
  update indicator.pending as p
  set failure_count = p.failure_count + 1, leased_until = clock_timestamp() + interval '10 seconds'
  where p.work_id = any (array(
    select w.work_id
    from indicator.pending as w
    where w.work_id = any (fail_pending.work_ids)
    -- In the order in which indicator.accept_candles locks them, so that neither waits for the other.
    order by w.service, w.instrument_id, w.timeframe, w.side, w.bucket, w.forming_every
    for update
  ));
  for gone in
    with gone as (
      delete from indicator.pending as p
      where p.work_id = any (fail_pending.work_ids) and p.failure_count >= 3
      returning p.*
    )
    select g.service, array_agg(jsonb_build_object(
      'symbol', i.symbol, 'timeframe', g.timeframe, 'side', g.side, 'bucket', g.bucket, 'revision', g.revision)::text) as bodies
    from gone as g
    join feed.instruments as i using (instrument_id)
    group by g.service
  loop
    set_aside := set_aside + indicator.set_aside(
      gone.service, array_fill('not_computed'::text, array[cardinality(gone.bodies)]),
      array_fill(fail_pending.detail, array[cardinality(gone.bodies)]), gone.bodies);
  end loop;
  return set_aside;
end
$$;

comment on function indicator.fail_pending(bigint[], text) is
  'The values that these claims asked for could not be computed, detail says why: they are claimed again in 10 seconds, each alone; one that failed three times is set aside in indicator.dead_letters. Returns how many were set aside.';
grant execute on function indicator.fail_pending(bigint[], text) to foresight_indicators, foresight_service;
