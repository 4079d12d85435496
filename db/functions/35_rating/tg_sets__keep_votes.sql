create or replace function rating.tg_sets__keep_votes()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update rating.votes as v set params = new.params
  where v.kind = old.kind and v.params = old.params and v.params <> new.params;
  return null;
end
$$;

comment on function rating.tg_sets__keep_votes() is
  'A vote stays that of its indicator when this gets other parameters, as when its kind gets a new one.';

create or replace trigger _600_keep_votes
  after update of params on indicator.sets
  for each row when (old.set = 'rating' and new.set = 'rating' and new.kind = old.kind)
  execute function rating.tg_sets__keep_votes();
