create or replace function feed.reject_ticks(
  source text, symbols text[], reasons text[], details text[], raws text[], counts bigint[] default null
)
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  kept bigint;
  unknown_reason text;
begin
  select coalesce(r.reason, 'null') into unknown_reason
  from unnest(reasons) as r(reason)
  where not exists (select from feed.rejection_reasons as k where k.reason = r.reason)
  limit 1;
  if unknown_reason is not null then
    raise exception 'there is no reason %', quote_literal(left(unknown_reason, 80))
      using errcode = 'NORSN', hint = 'feed.rejection_reasons has them all.';
  end if;
  kept := feed.keep_rejections(reject_ticks.source, symbols, reasons, details, raws, counts);
  insert into feed.source_states as s (source, rejected_count) values (reject_ticks.source, kept)
  on conflict on constraint source_states_pkey do update
    set rejected_count = s.rejected_count + excluded.rejected_count;
  return kept;
end
$$;

comment on function feed.reject_ticks(text, text[], text[], text[], text[], bigint[]) is
  'Keep aside what a source sent and a worker refused before it was a tick: array i holds rejection i, which stands for counts[i] that are alike (absent: one); reasons are of feed.rejection_reasons. Returns how many were counted. Error NORSN: no such reason.';
grant execute on function feed.reject_ticks(text, text[], text[], text[], text[], bigint[]) to foresight_ingest;
