-- Every writer takes the rows of reasons in one order, conflicts last as feed.record_ticks finds them last,
-- so that two of them wait for each other and never in a circle.
create or replace function feed.keep_rejections(
  source text, symbols text[], reasons text[], details text[], raws text[], counts bigint[] default null
)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  told_at timestamptz := now();
  total bigint;
begin
  with told as (
    select r.symbol, r.reason, r.detail, r.raw, r.position, coalesce(r.count, 1) as count
    from unnest(symbols, reasons, details, raws, counts)
      with ordinality as r(symbol, reason, detail, raw, count, position)
  ), added as (
    select t.reason, sum(t.count)::bigint as count
    from told as t group by t.reason
    order by t.reason = 'conflict', t.reason
  ), summed as (
    insert into feed.rejections as k (source, reason, hour, count, first_at, last_at)
    select keep_rejections.source, a.reason, feed.bucket(interval '1 hour', told_at), a.count, told_at, told_at from added as a
    on conflict on constraint rejections_pkey do update set
      count = k.count + excluded.count, last_at = greatest(k.last_at, excluded.last_at)
    returning k.reason, k.count
  ), kept as (
    insert into feed.rejected_ticks (source, symbol, reason, detail, raw)
    select keep_rejections.source, left(t.symbol, 80), t.reason, left(t.detail, 500), left(t.raw, 1000)
    from (select o.*, row_number() over (partition by o.reason order by o.position) as place from told as o) as t
    join added as a using (reason)
    join summed as s using (reason)
    where s.count - a.count + t.place <= 1000
    order by t.position
  )
  select coalesce(sum(a.count), 0)::bigint into total from added as a;
  return total;
end
$$;

comment on function feed.keep_rejections(text, text[], text[], text[], text[], bigint[]) is
  'Count what a source sent and nobody stored in feed.rejections, and keep it in feed.rejected_ticks, of each reason the first thousand per hour: array i holds rejection i, which stands for counts[i] that are alike (absent: one). Null arrays are no rejections. Returns how many that were. For functions of feed; the caller adds it to feed.source_states.';
