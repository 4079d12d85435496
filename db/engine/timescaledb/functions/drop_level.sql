-- A refresh that began before the floor was raised may still read the ticks or candles that are dropped here,
-- and would then take the candles made of them away: wait for it.
create or replace procedure feed.drop_level(level text, before_time timestamptz)
language plpgsql
as $$
declare
  relation regclass := (select s.relation::regclass from feed.storage as s where s.level = drop_level.level);
  began_at timestamptz := clock_timestamp();
begin
  if not exists (select from feed.chunks(relation) as c where c.range_end <= before_time) then
    return;
  end if;
  while exists (
    select from feed.storage as s where s.level = drop_level.level and (s.timeframe is not null or s.level = 'ticks')
  ) and exists (
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
  perform public.drop_chunks(relation, older_than => before_time);
  commit;
end
$$;

comment on procedure feed.drop_level(text, timestamptz) is
  'Drop what is older than a time (UTC) of a level of feed.storage. TimescaleDB: whole chunks, so a part of it stays a while. Error 55P03: a refresh that began before takes longer than half a minute, or somebody is busy with such a chunk.';
