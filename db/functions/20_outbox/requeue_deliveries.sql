-- Changed while an earlier state was sent or refused: the newer one may go at once, behind what has waited longer.
create or replace function outbox.requeue_deliveries(places tid[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
  update outbox.deliveries as d
  set claimed_until = '-infinity', queued_at = clock_timestamp(), changed_at = clock_timestamp()
  where d.ctid = any (places);
end
$$;

comment on function outbox.requeue_deliveries(tid[]) is
  'The deliveries at these places in the table wait from now on, unclaimed. Locked before by outbox.lock_deliveries.';
