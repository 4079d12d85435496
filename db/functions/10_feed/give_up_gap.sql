-- What was claimed is the newest stretch alone: an older one of the same gap may still be had.
create or replace function feed.give_up_gap(gap_id bigint, fault text)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  with given_up as (
    select g.gap_id, g.instrument_id, g.cause, g.opened_at, g.tries, n.newest, g.missing - tstzmultirange(n.newest) as others
    from feed.gaps as g
    cross join lateral (select r from unnest(g.missing) as r order by r desc limit 1) as n(newest)
    where g.gap_id = give_up_gap.gap_id and g.closed_at is null
    for update of g
  ), apart as (
    insert into feed.gaps (instrument_id, gap_from, gap_to, missing, cause, opened_at, tries, last_fault, closed_at, grade)
    select u.instrument_id, lower(u.newest), upper(u.newest), tstzmultirange(u.newest), u.cause, u.opened_at, u.tries,
      left(give_up_gap.fault, 500), clock_timestamp(), 'impossible'
    from given_up as u
    where not isempty(u.others)
  )
  update feed.gaps as g set
    gap_to = case when isempty(u.others) then g.gap_to else lower(u.newest) end,
    missing = case when isempty(u.others) then g.missing else u.others end,
    closed_at = case when isempty(u.others) then clock_timestamp() end,
    grade = case when isempty(u.others) then 'impossible' else g.grade end,
    last_fault = case when isempty(u.others) then left(give_up_gap.fault, 500) end
  from given_up as u
  where g.gap_id = u.gap_id
$$;

comment on function feed.give_up_gap(bigint, text) is
  'Close what was claimed of a gap as impossible to repair, with the reason: it stays missing. Older stretches of the gap are still to be repaired; then what is given up becomes a gap of its own.';
grant execute on function feed.give_up_gap(bigint, text) to foresight_ingest;
