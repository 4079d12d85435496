create or replace function indicator.tg_sets__check()
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

comment on function indicator.tg_sets__check() is
  'A row of a set gets the parameters that were left out. Errors: NOKIN, PARAM.';

create or replace trigger _100_check
  before insert or update on indicator.sets
  for each row execute function indicator.tg_sets__check();
