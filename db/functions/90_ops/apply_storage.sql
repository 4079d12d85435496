-- Ticks go in three steps, each of which can be cut off and is taken up by the next call: their candles are
-- compared with them and, if need be, repaired; the floor is raised, from then on older ticks are refused;
-- when nobody who began before is still at work, and the last late ones are in the candles of every
-- timeframe, they are dropped. From then on no candle is computed from before the floor.
create or replace procedure ops.apply_storage()
language plpgsql
as $$
declare
  level record;
  target timestamptz;
  oldest timestamptz;
  unrepaired bigint;
  ticks_dropped_to timestamptz;
  late_count int;
begin
  update indicator.retention as r set floor_at = feed.bucket(interval '1 day', now() - r.retain_for)
  where r.floor_at < feed.bucket(interval '1 day', now() - r.retain_for);
  commit;
  call indicator.drop_values();
  for level in
    select s.level, s.timeframe, s.compress_after, s.retain_for
    from feed.storage as s left join feed.timeframes as t using (timeframe)
    -- What is neither ticks nor candles waits for nobody. Ticks come before their candles.
    order by s.timeframe is not null or s.level = 'ticks', s.level <> 'ticks', t.width
  loop
    target := feed.bucket(interval '1 day', now() - level.retain_for);
    if level.level = 'ticks' then
      if target > feed.retention_floor() then
        oldest := greatest(
          (select min(k.first_observed_at) from feed.newest_ticks as k),
          (select s.dropped_to from feed.storage as s where s.level = 'ticks'));
        if oldest < target then
          commit;
          call ops.reconcile(oldest, target);
          select sum(r.unrepaired) into unrepaired
          from (
            select distinct on (r.from_time) r.unrepaired from ops.reconciliations as r
            where r.from_time >= feed.bucket(interval '1 day', oldest) and r.to_time <= target
            order by r.from_time, r.reconciliation_id desc
          ) as r;
          if unrepaired > 0 then
            raise exception 'the ticks before % stay: % of their candles differ from them and could not be repaired', target, unrepaired
              using errcode = 'RECON', hint = 'See ops.reconciliations.';
          end if;
        end if;
        update feed.storage as s set floor_at = target where s.level = 'ticks' and s.floor_at < target;
        commit;
      end if;
      target := feed.retention_floor();
      if target > (select s.dropped_to from feed.storage as s where s.level = 'ticks') then
        -- Whoever began to insert before the floor was raised is done when we have this lock.
        perform set_config('lock_timeout', '3s', true);
        lock table feed.ticks in share mode;
        commit;
        call outbox.refresh_late(late_count);
        call feed.advance_candles();
        if not feed.is_stored_until(target) or exists (
          select from outbox.changes as c
          where c.changed_from < least(target, feed.refresh_horizon()) and c.refreshed_revision <> c.revision
        ) then
          return;
        end if;
        update feed.storage as s set dropped_to = s.floor_at where s.level = 'ticks';
        commit;
      end if;
      ticks_dropped_to := (select s.dropped_to from feed.storage as s where s.level = 'ticks');
    else
      -- Candles go with their ticks or later, for what was dropped is no longer compared; whatever else is kept by itself.
      if level.timeframe is not null then
        target := least(target, ticks_dropped_to);
      end if;
      update feed.storage as s set floor_at = target, dropped_to = target
      where s.level = level.level and s.floor_at < target and level.retain_for is not null;
      commit;
    end if;
    target := (select s.dropped_to from feed.storage as s where s.level = level.level);
    if target > '-infinity' then
      call feed.drop_level(level.level, target);
    end if;
    if level.compress_after is not null then
      call feed.compress_level(level.level, now() - level.compress_after);
    end if;
  end loop;
end
$$;

comment on procedure ops.apply_storage() is
  'Do what feed.storage and indicator.retention say: compress and drop what is old enough. Does nothing when nothing is due; upkeep calls it at most once a minute, when something changed or a day began. A statement of its own, by the owner. Errors: RECON candles differ from ticks that are due and could not be repaired; 55P03 somebody inserts ticks for long, or refreshes: try again later.';
