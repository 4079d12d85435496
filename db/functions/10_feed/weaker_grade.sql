create or replace function feed.weaker_grade(one text, other text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select g.grade from unnest(array['impossible', 'candles', 'time_span', 'exact', 'heard']) with ordinality as g(grade, place)
  where g.grade in (one, other)
  order by g.place limit 1
$$;

comment on function feed.weaker_grade(text, text) is
  'The weaker of two proofs: impossible, candles, time_span, exact, heard; null when both are absent.';
