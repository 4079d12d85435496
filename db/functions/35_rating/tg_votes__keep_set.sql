create or replace function rating.tg_votes__keep_set()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op <> 'DELETE' then
    insert into indicator.sets (set, kind, params) values ('rating', new.kind, new.params) on conflict do nothing;
  end if;
  if tg_op = 'DELETE' or tg_op = 'UPDATE' and (old.kind, old.params) <> (new.kind, new.params) then
    delete from indicator.sets as s where s.set = 'rating' and s.kind = old.kind and s.params = old.params;
  end if;
  return null;
end
$$;

comment on function rating.tg_votes__keep_set() is
  'What votes is computed where the set rating was added.';

create or replace trigger _500_keep_set
  after insert or update of kind, params or delete on rating.votes
  for each row execute function rating.tg_votes__keep_set();
