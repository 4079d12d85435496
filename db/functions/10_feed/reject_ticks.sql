create or replace function feed.reject_ticks(
  source text, symbols text[], reasons text[], details text[], raws text[]
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  kept int;
begin
  insert into feed.rejected_ticks (source, symbol, reason, detail, raw)
  select reject_ticks.source, left(r.symbol, 80), r.reason, left(r.detail, 500), left(r.raw, 1000)
  from unnest(symbols, reasons, details, raws) as r(symbol, reason, detail, raw);
  get diagnostics kept = row_count;
  insert into feed.source_states as s (source, rejected_count) values (reject_ticks.source, kept)
  on conflict on constraint source_states_pkey do update
    set rejected_count = s.rejected_count + excluded.rejected_count;
  return kept;
end
$$;

comment on function feed.reject_ticks(text, text[], text[], text[], text[]) is
  'Keep aside what a source sent and a worker refused before it was a tick: array i holds rejection i. Returns how many were kept.';
grant execute on function feed.reject_ticks(text, text[], text[], text[], text[]) to foresight_ingest;
