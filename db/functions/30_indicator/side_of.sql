-- A source may tell quotes and trades in ticks of their own.
create or replace function indicator.side_of(instrument_id int)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when bool_or(t.bid + t.ask is not null) then 'mid'
    when bool_or(t.last is not null) then 'last'
    when bool_or(t.bid is not null) then 'bid'
    when count(*) > 0 then 'ask'
  end
  from feed.recent_ticks(side_of.instrument_id, 100) as t
$$;

comment on function indicator.side_of(int) is
  'The side that an instrument''s indicators take when none is asked for, by its newest ticks: mid, of an instrument that has trades only last, else the one side there is; null: it has no ticks yet.';
