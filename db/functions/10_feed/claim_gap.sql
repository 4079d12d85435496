-- The newest one first: what a chart shows now matters more than last week. Its ends are constants to the planner, as in
-- feed.recent_ticks.
create or replace function feed.claim_gap(source text)
returns table (
  gap_id bigint, symbol text, missing_from timestamptz, missing_to timestamptz, cause text,
  before_at timestamptz, before_seq bigint, after_at timestamptz, after_seq bigint
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  claimed feed.gaps;
  newest tstzrange;
  oldest timestamptz := feed.retention_floor();
begin
  -- Their ticks would be refused.
  update feed.gaps as g set closed_at = clock_timestamp(), grade = 'impossible', last_fault = 'older than what is kept'
  from feed.instruments as i
  where i.instrument_id = g.instrument_id and i.source = claim_gap.source
    and g.closed_at is null and not isempty(g.missing) and upper(g.missing) <= oldest;

  update feed.gaps as g set tries = g.tries + 1, next_try_at = clock_timestamp() + interval '20 seconds'
  where g.gap_id = (
    select o.gap_id from feed.gaps as o
    join feed.instruments as i on i.instrument_id = o.instrument_id and i.source = claim_gap.source and i.is_active
    where o.closed_at is null and not isempty(o.missing) and o.next_try_at <= clock_timestamp()
    order by o.gap_to desc
    limit 1
    for update of o skip locked)
  returning * into claimed;
  if claimed.gap_id is null then
    return;
  end if;
  newest := (select r from unnest(claimed.missing) as r order by r desc limit 1);
  return query
  select claimed.gap_id, i.symbol, greatest(lower(newest), oldest), upper(newest), claimed.cause,
    b.observed_at, case when b.seq >= 0 then b.seq end, a.observed_at, a.seq
  from feed.instruments as i
  left join feed.recent_ticks(i.instrument_id, 1, lower(newest)) as b on true
  -- A quote among trades has no id, and cannot be asked from. Trades of one moment are told apart by their ids alone: what
  -- may be missing of them lies before the last one.
  left join lateral (
    select t.observed_at, (
      select max(s.seq) from feed.ticks as s
      where s.instrument_id = t.instrument_id and s.observed_at = t.observed_at
        and s.observed_at >= upper(newest) and s.observed_at < upper(newest) + interval '1 hour'
    ) as seq
    from feed.ticks as t
    where t.instrument_id = i.instrument_id and t.seq >= 0
      and t.observed_at >= upper(newest) and t.observed_at < upper(newest) + interval '1 hour'
    order by t.observed_at, t.seq limit 1
  ) as a on true
  where i.instrument_id = claimed.instrument_id;
end
$$;

comment on function feed.claim_gap(text) is
  'Take the newest open gap of a source''s active instruments whose time has come, for 20 seconds, and 20 more each time a part of it is covered; no row when there is none. Returned is the newest stretch (UTC) that is missing of it, the stored tick nearest before that (seq null: it came without an id), and the one with an id nearest after it, within an hour, the last of its moment, from which a provider with ids can be asked. Gaps older than what is kept are given up first.';
grant execute on function feed.claim_gap(text) to foresight_ingest;
