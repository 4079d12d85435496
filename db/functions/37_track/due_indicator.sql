-- A stretch of history is scored at once; single candles are gathered, since each touches rows of every level.
create or replace function track.due_indicator(at timestamptz default clock_timestamp())
returns int
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (select u.indicator_id from indicator.unscored as u where u.candles >= 16 order by u.unscored_id limit 1),
    (
      select u.indicator_id
      from (select u.indicator_id, u.noted_at from indicator.unscored as u order by u.unscored_id limit 1) as u
      where u.noted_at not between at - interval '10 minutes' and at
    )
  )
$$;

comment on function track.due_indicator(timestamptz) is
  'An indicator whose values are to be scored next (at a time, UTC): one with history that was not, else one with a value that has waited for ten minutes; null: there is none.';
