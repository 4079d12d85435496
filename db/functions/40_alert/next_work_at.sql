create or replace function alert.next_work_at()
returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case when exists (select from indicator.marks) then statement_timestamp()
    else least(
      (
        select min(greatest(h.claimed_until, h.next_try_at, statement_timestamp()))
        from alert.rules as r
        cross join lateral (
          select d.claimed_until, d.next_try_at
          from alert.deliveries as d
          where d.rule_id = r.rule_id and d.delivered_at is null and d.gave_up_at is null
          order by d.delivery_id
          limit 1
        ) as h
        where not r.is_paused
      ),
      (
        select min(greatest(r.seen_at + interval '5 seconds', statement_timestamp()))
        from alert.rules as r where r.kind = 'fault' and not r.is_paused
      ))
  end
$$;

comment on function alert.next_work_at() is
  'When there is next something to do for alerts (UTC): now if changed values wait to be looked at, else when the next message is to be delivered, or faults are to be looked at. Null: nothing, until values change.';
grant execute on function alert.next_work_at() to foresight_publish;
