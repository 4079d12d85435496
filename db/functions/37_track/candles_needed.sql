-- The outcomes of neighbouring candles share most of their time: each of twenty parts has to be longer than that.
create or replace function track.candles_needed(horizon int)
returns int
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select 20 * greatest(20, 3 * horizon)
$$;

comment on function track.candles_needed(int) is
  'How many candles with a verdict there have to be, at least, for an interval to mean what it says at a horizon (in candles).';
