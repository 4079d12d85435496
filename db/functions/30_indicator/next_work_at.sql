create or replace function indicator.next_work_at(service text)
returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when exists (
      select from indicator.pending as p
      where p.service = next_work_at.service and p.leased_until < statement_timestamp()
    ) or exists (
      select from indicator.backfills as b
      where b.service = next_work_at.service and b.leased_until < statement_timestamp()
    ) then statement_timestamp()
    -- Only what is in somebody's hand is left: a few hundred rows.
    else least(
      (select min(p.leased_until) from indicator.pending as p where p.service = next_work_at.service),
      (select min(b.leased_until) from indicator.backfills as b where b.service = next_work_at.service))
  end
$$;

comment on function indicator.next_work_at(text) is
  'When there are next values to compute for a service (UTC): now if some wait, else when the first lease of a claim ends. Null: none, until candles change.';
grant execute on function indicator.next_work_at(text) to foresight_indicators, foresight_service;
