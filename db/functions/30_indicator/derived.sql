create or replace function indicator.derived(
  kind text, params jsonb, out label text, out bars_required int, out bars_window int, out output_count int
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    coalesce(
      (select string_agg(coalesce(params ->> piece.parts[1], '') || piece.parts[2], '' order by piece.position)
       from regexp_matches('{}' || k.label, '\{(\w*)\}([^{]*)', 'g') with ordinality as piece(parts, position)),
      k.label),
    n.bars, greatest(n.bars, indicator.longest_sum(k.bars_window, params)), jsonb_array_length(k.outputs)
  from indicator.kinds as k
  cross join lateral (select indicator.longest_sum(k.bars_required, params) as bars) as n
  where k.kind = derived.kind
$$;

comment on function indicator.derived(text, jsonb) is
  'What follows from a kind and complete parameters: the label, how many candles a value needs at least and at most, and how many numbers it has.';
