create or replace function indicator.next_work_at()
returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when exists (select from indicator.pending as p where p.leased_until < statement_timestamp())
      or exists (select from indicator.backfills) then statement_timestamp()
    -- Only what is in somebody's hand is left: a few hundred rows.
    else (select min(p.leased_until) from indicator.pending as p)
  end
$$;

comment on function indicator.next_work_at() is
  'When there are next values to compute (UTC): now if some wait, else when the first lease of a claim ends. Null: none, until candles change.';
grant execute on function indicator.next_work_at() to foresight_indicators;
