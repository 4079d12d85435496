create or replace function indicator.derived(kind text, params jsonb, out label text, out bars_required int)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    coalesce(
      (select string_agg(coalesce(params ->> piece.parts[1], '') || piece.parts[2], '' order by piece.position)
       from regexp_matches('{}' || k.label, '\{(\w*)\}([^{]*)', 'g') with ordinality as piece(parts, position)),
      k.label),
    coalesce(
      (select sum(term.factor::numeric * coalesce((params ->> term.name)::numeric, 1))
       from jsonb_each_text(k.bars) as term(name, factor)),
      1)::int
  from indicator.kinds as k
  where k.kind = derived.kind
$$;

comment on function indicator.derived(text, jsonb) is
  'What follows from a kind and complete parameters: the label, and the length of the window in candles.';
