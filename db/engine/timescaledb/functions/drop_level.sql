-- A refresh that began before the floor was raised may still read what is dropped here, and would then take
-- its candles away: wait for it.
create or replace procedure feed.drop_level(level text, before_time timestamptz)
language plpgsql
as $$
declare
  relation text := case level when 'ticks' then 'feed.ticks' else format('feed.%I', 'candles_' || level) end;
  began_at timestamptz := clock_timestamp();
begin
  if not exists (
    select from timescaledb_information.chunks as c
    left join timescaledb_information.continuous_aggregates as a
      on a.materialization_hypertable_schema = c.hypertable_schema and a.materialization_hypertable_name = c.hypertable_name
    where c.range_end <= before_time
      and format('%I.%I', coalesce(a.view_schema, c.hypertable_schema), coalesce(a.view_name, c.hypertable_name)) = relation
  ) then
    return;
  end if;
  while exists (
    select from pg_stat_activity as s
    where s.pid <> pg_backend_pid() and s.datname = current_database() and s.state <> 'idle'
      and s.query ~* '(refresh_late|refresh_candles|refresh_ranges|advance_candles|refresh_continuous_aggregate|apply_storage|reconcile)'
      and s.query_start < began_at
  ) loop
    if clock_timestamp() > began_at + interval '30 seconds' then
      raise exception 'a refresh of the candles takes long, nothing is dropped for now' using errcode = 'lock_not_available';
    end if;
    commit;
    perform pg_sleep(0.1);
    perform pg_stat_clear_snapshot();
  end loop;
  perform set_config('lock_timeout', '3s', true);
  perform public.drop_chunks(relation::regclass, older_than => before_time);
  commit;
end
$$;

comment on procedure feed.drop_level(text, timestamptz) is
  'Drop the ticks (level ticks) or the candles of a timeframe that are older than a time (UTC). TimescaleDB: whole chunks, so a part of them stays a while. Error 55P03: a refresh that began before takes longer than half a minute.';
