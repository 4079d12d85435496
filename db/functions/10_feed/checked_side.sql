create or replace function feed.checked_side(side text)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if side is null or side not in ('bid', 'ask', 'mid', 'last') then
    raise exception 'there is no side %', coalesce(quote_literal(left(side, 80)), 'null')
      using errcode = 'NOSID', hint = 'Choose bid, ask, mid or last.';
  end if;
  return side;
end
$$;

comment on function feed.checked_side(text) is 'The side itself. Error NOSID when it is not bid, ask, mid or last.';
