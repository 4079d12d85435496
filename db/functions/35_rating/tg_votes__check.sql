create or replace function rating.tg_votes__check()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  new.params := indicator.checked_params(new.kind, new.params);
  return new;
end
$$;

comment on function rating.tg_votes__check() is
  'A vote gets the parameters that were left out. Errors: NOKIN, PARAM.';

create or replace trigger _100_check
  before insert or update of kind, params on rating.votes
  for each row execute function rating.tg_votes__check();
