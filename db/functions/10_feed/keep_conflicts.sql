-- Each tick is looked up by its key: how many there are is not known beforehand, and to run through a batch per stored
-- tick takes a minute. The bounds in time are constants to the planner, as in feed.recent_ticks.
create or replace function feed.keep_conflicts(
  source text,
  symbols text[],
  observed_ats timestamptz[],
  seqs bigint[],
  keys bigint[],
  bids double precision[],
  asks double precision[],
  lasts double precision[],
  sizes double precision[],
  latest timestamptz,
  oldest timestamptz
)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
  first_at timestamptz;
  last_at timestamptz;
begin
  select min(o.observed_at), max(o.observed_at) into first_at, last_at from unnest(observed_ats) as o(observed_at);
  return (
    select feed.keep_rejections(keep_conflicts.source,
      array_agg(t.symbol), array_agg('conflict'::text),
      array_agg(format('the tick of %s at %s with seq %s is stored with another price or size', t.symbol, t.observed_at, t.seq)),
      array_agg((to_jsonb(t) - 'key')::text))
    from unnest(symbols, observed_ats, seqs, keys, bids, asks, lasts, sizes)
      as t(symbol, observed_at, seq, key, bid, ask, last, size)
    join feed.instruments as i on i.symbol = t.symbol
    cross join lateral (
      select * from feed.ticks as f
      where f.instrument_id = i.instrument_id and f.observed_at = t.observed_at and f.seq = t.key
        and f.observed_at between first_at and last_at
      offset 0
    ) as s
    cross join lateral feed.tick_fault(
      keep_conflicts.source, t.symbol, i.source, i.allows_negative, t.observed_at, t.seq, t.bid, t.ask, t.last, t.size, latest, oldest) as v
    where v.reason is null
      and (s.bid, s.ask, s.last, s.size) is distinct from (t.bid, t.ask, t.last, t.size)
  );
end
$$;

comment on function feed.keep_conflicts(text, text[], timestamptz[], bigint[], bigint[], double precision[], double precision[], double precision[], double precision[], timestamptz, timestamptz) is
  'Keep aside the ticks of a batch of feed.record_ticks, whose arrays these are, that are stored under their key (keys) with another price or size: a fact about the source, kept once. latest and oldest (UTC) bound what is accepted. Returns how many.';
